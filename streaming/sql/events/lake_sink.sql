-- Labelled samples as Parquet files, a folder for each hour (UTC) in which labels became known.
-- _SUCCESS marks an hour that is over. Columns: schemas/lake.py.
CREATE TEMPORARY TABLE lake (
  kind STRING,
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
  label INT,
  label_ts TIMESTAMP_LTZ(3),
  click_ts TIMESTAMP_LTZ(3),
  sample_weight FLOAT,
  `day` STRING,
  `hour` STRING
)
