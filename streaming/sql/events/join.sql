-- The label join, called once: everything that follows reads its rows.
SELECT
  of_request_id AS request_id, of_ad_id AS ad_id, `output`, kind, user_id, ts, `position`, price,
  `variant`, model_version, predicted_ctr, propensity, feature_fingerprint, counter_keys, inputs,
  label, label_ts, click_ts, sample_weight, topic, `partition`, `offset`, reason, message_key, `raw`,
  rowtime
FROM LabelJoin(
  impressions => TABLE impressions_to_join PARTITION BY (request_id, ad_id),
  clicks => TABLE clicks_to_join PARTITION BY (request_id, ad_id),
  label_wait_ms => CAST($label_wait_ms AS BIGINT),
  attribution_window_ms => CAST($attribution_window_ms AS BIGINT),
  negative_keep => CAST($negative_keep AS DOUBLE),
  on_time => DESCRIPTOR(event_time),
  uid => 'label-join'
)
