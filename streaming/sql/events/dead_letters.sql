-- A null value has no bytes, and the record has no null.
INSERT INTO dead_letters_topic
SELECT message_key, topic, `partition`, `offset`, reason, COALESCE(`raw`, X'')
FROM joined
WHERE `output` = 'DEAD_LETTER'
UNION ALL
SELECT CAST(message_key AS BYTES), topic, `partition`, `offset`, fault, body
FROM catalogue_rows
WHERE fault IS NOT NULL
