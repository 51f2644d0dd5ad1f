-- Archived clicks as the join wants them, after the impression and in the order of their times.
CREATE TEMPORARY VIEW clicks AS
SELECT
  request_id, ad_id,
  EXTRACT(EPOCH FROM ts) * 1000 + EXTRACT(MILLISECOND FROM ts) AS ts,
  CAST(NULL AS STRING) AS error, CAST(NULL AS BYTES) AS message_key,
  CAST(NULL AS BYTES) AS `raw`, 'clicks' AS topic, `partition`, `offset`,
  $after_impressions + EXTRACT(EPOCH FROM ts) * 1000 + EXTRACT(MILLISECOND FROM ts) AS sort_key
FROM lake_clicks
WHERE CONCAT(`day`, 'T', `hour`) >= '$first' AND CONCAT(`day`, 'T', `hour`) < '$end'
