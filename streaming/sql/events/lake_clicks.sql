-- Accepted clicks, as lake_impressions.sql.
CREATE TEMPORARY TABLE lake_clicks (
  request_id STRING,
  ad_id STRING,
  ts TIMESTAMP_LTZ(3),
  `partition` INT,
  `offset` BIGINT,
  `day` STRING,
  `hour` STRING
)
