-- The join lets clicks through before negatives of their time: event time is told by negatives, or
-- where there are none by clicks, a label wait later. A sample that could not be read tells nothing.
TO_TIMESTAMP_LTZ(
  COALESCE(label_ts - IF(click_ts IS NULL, 0, $label_wait_ms), CAST(0 AS BIGINT)),
  3
)
