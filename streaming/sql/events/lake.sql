INSERT INTO lake
SELECT
  kind, request_id, ad_id, user_id, TO_TIMESTAMP_LTZ(ts, 3), `position`, price, `variant`,
  model_version, predicted_ctr, propensity, feature_fingerprint, inputs, label,
  TO_TIMESTAMP_LTZ(label_ts, 3), TO_TIMESTAMP_LTZ(click_ts, 3), sample_weight,
  DATE_FORMAT(TO_TIMESTAMP_LTZ(label_ts, 3), 'yyyy-MM-dd'),
  DATE_FORMAT(TO_TIMESTAMP_LTZ(label_ts, 3), 'HH')
FROM joined
WHERE `output` = 'SAMPLE'
