-- Accepted impressions as Parquet files, a folder for each hour (UTC) in which they happened; the
-- events job writes them, a replay reads them. Columns: schemas/lake.py.
CREATE TEMPORARY TABLE lake_impressions (
  request_id STRING,
  ad_id STRING,
  user_id STRING,
  ts TIMESTAMP_LTZ(3),
  `position` INT,
  price BIGINT,
  `variant` STRING,
  model_version STRING,
  predicted_ctr FLOAT,
  propensity FLOAT,
  feature_fingerprint STRING,
  inputs BYTES,
  `partition` INT,
  `offset` BIGINT,
  `day` STRING,
  `hour` STRING
)
