-- What the join gives, with the columns of an impression and of a record's source side by side.
CREATE TEMPORARY VIEW joined AS
SELECT
  request_id, ad_id, `output`, kind, ts,
  r.impression.user_id, r.impression.`position`, r.impression.price,
  r.impression.`variant`, r.impression.model_version, r.impression.predicted_ctr,
  r.impression.propensity, r.impression.feature_fingerprint,
  r.impression.counter_keys, r.impression.inputs,
  label, label_ts, click_ts, sample_weight,
  r.source.topic, r.source.`partition`, r.source.`offset`, r.source.message_key,
  r.source.`raw`,
  reason, event_time, arrived
FROM joined_rows AS r
