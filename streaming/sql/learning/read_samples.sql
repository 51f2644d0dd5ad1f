-- All but event time, which comes with the stream.
CREATE TEMPORARY VIEW read_samples AS
SELECT
  kind, request_id, ad_id, ts, `position`, feature_fingerprint, inputs, label, label_ts, click_ts,
  sample_weight, error, kafka_partition, kafka_offset
FROM samples_topic
