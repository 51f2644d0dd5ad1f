-- Labelled samples as the events job writes them; a record that cannot be read has an error.
CREATE TEMPORARY TABLE training_samples (
  kind STRING,
  request_id STRING,
  ad_id STRING,
  `position` INT,
  feature_fingerprint STRING,
  inputs BYTES,
  label INT,
  label_ts BIGINT,
  click_ts BIGINT,
  sample_weight FLOAT,
  error STRING,
  kafka_partition INT METADATA FROM 'partition' VIRTUAL,
  kafka_offset BIGINT METADATA FROM 'offset' VIRTUAL,
  arrived AS PROCTIME()
) WITH (
  'connector' = 'kafka',
  'topic' = '$topic',
  'properties.bootstrap.servers' = '$bootstrap',
  'properties.group.id' = '$group',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'ctr-event',
  'ctr-event.record' = 'training_sample'
)
