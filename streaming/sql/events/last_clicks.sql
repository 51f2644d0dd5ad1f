-- The ads that a user clicked last, as an absolute list.
CREATE TEMPORARY VIEW last_clicks AS
SELECT user_id, version_ms, ad_ids, PROCTIME() AS counted_at
FROM LastClicks(
  clicks => TABLE user_clicks PARTITION BY user_id,
  length => $length,
  idle_ms => CAST($idle_ms AS BIGINT),
  on_time => DESCRIPTOR(event_time),
  uid => 'last-clicks'
)
