INSERT INTO lake_impressions
SELECT
  request_id, ad_id, user_id, TO_TIMESTAMP_LTZ(ts, 3), `position`, price, `variant`, model_version,
  predicted_ctr, propensity, feature_fingerprint, inputs, `partition`, `offset`,
  DATE_FORMAT(TO_TIMESTAMP_LTZ(ts, 3), 'yyyy-MM-dd'),
  DATE_FORMAT(TO_TIMESTAMP_LTZ(ts, 3), 'HH')
FROM impressions_joined
WHERE error IS NULL
