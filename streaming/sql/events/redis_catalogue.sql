-- Rows of one compacted topic as RedisRow.java has them.
CREATE TEMPORARY VIEW redis_$kind AS
SELECT
  message_key AS key, version_ms, encoded AS body, CAST(NULL AS BIGINT) AS click_ts,
  CAST(NULL AS STRING) AS rewritten
FROM catalogue_rows
WHERE fault IS NULL AND kind = '$kind'
