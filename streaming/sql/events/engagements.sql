INSERT INTO engagements_topic
SELECT
  request_id, kind, request_id, ad_id, user_id, ts, `position`, price, `variant`, model_version,
  predicted_ctr, propensity, counter_keys
FROM joined
WHERE `output` = 'ENGAGEMENT'
