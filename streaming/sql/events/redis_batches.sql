-- All that goes to Redis, for one Python operator; columns of other kinds are NULL.
SELECT
  kind, keys, versions, bodies, CAST(NULL AS ARRAY<ARRAY<BIGINT>>) AS impressions,
  CAST(NULL AS ARRAY<ARRAY<BIGINT>>) AS clicks, CAST(NULL AS ARRAY<BIGINT>) AS click_ts,
  CAST(NULL AS ARRAY<ARRAY<STRING>>) AS ad_ids
FROM catalogue_batches
UNION ALL
SELECT
  'counters', keys, versions, CAST(NULL AS ARRAY<BYTES>), impressions, clicks, click_ts,
  CAST(NULL AS ARRAY<ARRAY<STRING>>)
FROM counter_batches
UNION ALL
SELECT
  'clicks', keys, versions, CAST(NULL AS ARRAY<BYTES>), CAST(NULL AS ARRAY<ARRAY<BIGINT>>),
  CAST(NULL AS ARRAY<ARRAY<BIGINT>>), CAST(NULL AS ARRAY<BIGINT>), ad_ids
FROM last_click_batches
