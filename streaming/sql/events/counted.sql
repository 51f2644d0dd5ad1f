-- One row for each key that an engagement moves.
CREATE TEMPORARY VIEW counted AS
SELECT
  counter_key,
  ts,
  IF(kind = 'IMPRESSION', CAST(1 AS BIGINT), CAST(0 AS BIGINT)) AS impressions,
  IF(kind = 'CLICK', CAST(1 AS BIGINT), CAST(0 AS BIGINT)) AS clicks,
  IF(kind = 'CLICK', ts, CAST(NULL AS BIGINT)) AS click_ts,
  arrived
FROM joined
CROSS JOIN UNNEST(counter_keys) AS counter_keys (counter_key)
WHERE `output` = 'ENGAGEMENT'
