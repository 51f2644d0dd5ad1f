-- Sliding counters, as absolute values.
CREATE TEMPORARY VIEW counters AS
SELECT counter_key, version_ms, impressions, clicks, click_ts, PROCTIME() AS counted_at
FROM WindowCounters(
  events => TABLE counts PARTITION BY counter_key,
  on_time => DESCRIPTOR(event_time),
  uid => 'window-counters'
)
