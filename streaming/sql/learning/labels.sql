-- What the learner gets, and a tick a second. COALESCE makes columns NOT NULL.
CREATE TEMPORARY VIEW labels AS
SELECT
  COALESCE(outcome, 0) AS outcome,
  COALESCE(inputs, X'') AS inputs,
  COALESCE(label, 0) AS label,
  COALESCE(sample_weight, CAST(0 AS FLOAT)) AS sample_weight,
  COALESCE(shown_position, 0) AS shown_position,
  COALESCE(click_ts, CAST(0 AS BIGINT)) AS click_ts,
  COALESCE(label_ts, CAST(0 AS BIGINT)) AS label_ts
FROM balanced_labels
UNION ALL
SELECT
  7, X'', 0, CAST(0 AS FLOAT), 0, CAST(0 AS BIGINT), CAST(0 AS BIGINT)
FROM ticks
