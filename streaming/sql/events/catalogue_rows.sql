-- Both compacted topics as one stream: what to store (``encoded``, in the current version; if it is
-- empty it deletes), or why not.
-- A null value deletes whatever its topic accepted before it, also what was ahead of Kafka's clock.
SELECT
  kind, message_key, COALESCE(`raw`, X'') AS body, COALESCE(encoded, X'') AS encoded, topic, `partition`, `offset`,
  COALESCE(ts, kafka_ms + $ahead_seconds * 1000) AS version_ms,
  CASE
    WHEN error IS NOT NULL THEN error
    WHEN message_key IS NULL THEN 'no-key: a compacted topic needs the id as key'
    WHEN id <> message_key THEN CONCAT('wrong-key: the record is of ', id)
    WHEN ts > kafka_ms + $ahead_seconds * 1000 THEN 'impossible-time: later than Kafka got it'
  END AS fault
FROM (
  SELECT
    *,
    EXTRACT(EPOCH FROM kafka_ts) * 1000 + EXTRACT(MILLISECOND FROM kafka_ts) AS kafka_ms
  FROM (
    SELECT
      'ads' AS kind, message_key, ad_id AS id, ts, error, `raw`, encoded, kafka_topic AS topic,
      kafka_partition AS `partition`, kafka_offset AS `offset`, kafka_ts
    FROM ads_topic
    UNION ALL
    SELECT
      'users' AS kind, message_key, user_id AS id, ts, error, `raw`, encoded, kafka_topic AS topic,
      kafka_partition AS `partition`, kafka_offset AS `offset`, kafka_ts
    FROM users_topic
  )
)
