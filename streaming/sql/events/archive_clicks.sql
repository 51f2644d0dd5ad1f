INSERT INTO lake_clicks
SELECT
  request_id, ad_id, TO_TIMESTAMP_LTZ(ts, 3), `partition`, `offset`,
  DATE_FORMAT(TO_TIMESTAMP_LTZ(ts, 3), 'yyyy-MM-dd'),
  DATE_FORMAT(TO_TIMESTAMP_LTZ(ts, 3), 'HH')
FROM clicks_joined
WHERE error IS NULL
