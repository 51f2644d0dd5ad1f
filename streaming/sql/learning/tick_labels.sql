-- A tick a second as what the learner gets, see Label.java.
CREATE TEMPORARY VIEW tick_labels AS
SELECT
  7 AS outcome,
  X'' AS inputs,
  0 AS label,
  CAST(0 AS FLOAT) AS sample_weight,
  0 AS shown_position,
  CAST(0 AS BIGINT) AS click_ts,
  CAST(0 AS BIGINT) AS label_ts
FROM ticks
