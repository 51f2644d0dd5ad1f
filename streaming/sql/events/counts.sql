-- Counts of a moment by key and minute, the smallest tile: a popular key comes once, not a
-- thousand times.
SELECT
  counter_key,
  MAX(ts) AS ts,
  SUM(impressions) AS impressions,
  SUM(clicks) AS clicks,
  MIN(click_ts) AS click_ts
FROM TABLE(TUMBLE(TABLE counted, DESCRIPTOR(arrived), INTERVAL '$batch_seconds' SECOND(2, 3)))
GROUP BY counter_key, ts / 60000, window_start, window_end
