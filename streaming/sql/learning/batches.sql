-- One row for each span of processing time: columns of all its samples, in the order of arrival.
-- No FILTER: an aggregate without rows is NULL, which the planner does not expect of these types.
SELECT
  ARRAY_AGG(outcome) AS outcomes,
  ARRAY_AGG(inputs) AS inputs,
  ARRAY_AGG(label) AS labels,
  ARRAY_AGG(sample_weight) AS weights,
  ARRAY_AGG(shown_position) AS positions,
  ARRAY_AGG(click_ts) AS click_ts,
  MAX(label_ts) AS watermark_ms
FROM TABLE(
  TUMBLE(TABLE labels, DESCRIPTOR(arrived), INTERVAL '$batch_seconds' SECOND(1, 3))
)
GROUP BY window_start, window_end
