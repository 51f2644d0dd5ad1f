INSERT INTO samples_topic
SELECT
  request_id, kind, request_id, ad_id, user_id, ts, `position`, price, `variant`, model_version,
  predicted_ctr, propensity, feature_fingerprint, inputs, label, label_ts, click_ts, sample_weight
FROM joined
WHERE `output` = 'SAMPLE'
