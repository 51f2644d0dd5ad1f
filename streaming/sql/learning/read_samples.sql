-- Samples by the impression they label. What cannot be read has no identity but its offset.
-- COALESCE makes columns NOT NULL.
-- Codes of outcome: positions in OUTCOMES of streaming/learning/sample_batch.py.
CREATE TEMPORARY VIEW read_samples AS
SELECT
  COALESCE(
    request_id,
    CONCAT('unread ', CAST(kafka_partition AS STRING), '/', CAST(kafka_offset AS STRING))
  ) AS sample_id,
  ad_id,
  kind,
  COALESCE(ts, CAST(0 AS BIGINT)) AS ts,
  CASE
    WHEN error IS NOT NULL THEN 4
    WHEN feature_fingerprint <> '$fingerprint' THEN 5
    WHEN kind = 'POSITIVE' THEN 0
    WHEN kind = 'NEGATIVE' THEN 1
    WHEN kind = 'CORRECTION' THEN 2
    ELSE 3
  END AS outcome,
  COALESCE(inputs, X'') AS inputs,
  COALESCE(label, 0) AS label,
  COALESCE(sample_weight, CAST(0 AS FLOAT)) AS sample_weight,
  COALESCE(`position`, 0) AS shown_position,
  COALESCE(click_ts, CAST(0 AS BIGINT)) AS click_ts,
  COALESCE(label_ts, CAST(0 AS BIGINT)) AS label_ts
FROM samples_topic
