-- Lists of last clicks of a moment as columns.
CREATE TEMPORARY VIEW last_click_batches AS
SELECT
  ARRAY_AGG(COALESCE(user_id, '')) AS keys,
  ARRAY_AGG(COALESCE(version_ms, CAST(0 AS BIGINT))) AS versions,
  ARRAY_AGG(ad_ids) AS ad_ids
FROM TABLE(TUMBLE(TABLE last_clicks, DESCRIPTOR(counted_at), INTERVAL '$batch_seconds' SECOND(2, 3)))
GROUP BY window_start, window_end
