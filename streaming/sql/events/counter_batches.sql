-- Counters of a moment as columns. COALESCE: Python is given no NULL inside an array.
CREATE TEMPORARY VIEW counter_batches AS
SELECT
  ARRAY_AGG(COALESCE(counter_key, '')) AS keys,
  ARRAY_AGG(COALESCE(version_ms, CAST(0 AS BIGINT))) AS versions,
  ARRAY_AGG(impressions) AS impressions,
  ARRAY_AGG(clicks) AS clicks,
  ARRAY_AGG(COALESCE(click_ts, CAST(0 AS BIGINT))) AS click_ts
FROM TABLE(TUMBLE(TABLE counters, DESCRIPTOR(counted_at), INTERVAL '$batch_seconds' SECOND(2, 3)))
GROUP BY window_start, window_end
