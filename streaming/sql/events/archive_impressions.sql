INSERT INTO lake_impressions
SELECT
  request_id, ad_id, i.impression.user_id, TO_TIMESTAMP_LTZ(ts, 3), i.impression.`position`,
  i.impression.price, i.impression.`variant`, i.impression.model_version,
  i.impression.predicted_ctr, i.impression.propensity, i.impression.feature_fingerprint,
  i.impression.inputs, `partition`, `offset`,
  DATE_FORMAT(TO_TIMESTAMP_LTZ(ts, 3), 'yyyy-MM-dd'),
  DATE_FORMAT(TO_TIMESTAMP_LTZ(ts, 3), 'HH')
FROM impressions_joined AS i
WHERE error IS NULL
