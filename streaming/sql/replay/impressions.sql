-- Archived impressions as the join wants them, in the order in which Kafka had them.
CREATE TEMPORARY VIEW impressions AS
SELECT
  request_id, ad_id, user_id,
  EXTRACT(EPOCH FROM ts) * 1000 + EXTRACT(MILLISECOND FROM ts) AS ts,
  `position`, price, `variant`, model_version, predicted_ctr, propensity, feature_fingerprint,
  CAST(ARRAY[''] AS ARRAY<STRING>) AS counter_keys,
  inputs, CAST(NULL AS STRING) AS error, CAST(NULL AS BYTES) AS message_key,
  CAST(NULL AS BYTES) AS `raw`, 'impressions' AS topic, `partition`, `offset`,
  `offset` AS sort_key
FROM lake_impressions
WHERE CONCAT(`day`, 'T', `hour`) >= '$first' AND CONCAT(`day`, 'T', `hour`) < '$end'
