-- A tick a second as a row of what the learner gets, in the order of columns of Label.java.
CREATE TEMPORARY VIEW tick_labels AS
SELECT
  CAST(0 AS BIGINT) AS click_ts,
  X'' AS inputs,
  0 AS label,
  CAST(0 AS BIGINT) AS label_ts,
  7 AS outcome,
  CAST(0 AS FLOAT) AS sample_weight,
  0 AS shown_position
FROM ticks
