-- Labelled samples as the events job writes them; a record that cannot be read has an error.
CREATE TEMPORARY TABLE samples_topic (
  kind STRING,
  request_id STRING,
  ad_id STRING,
  ts BIGINT,
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
  event_time AS $event_time,
  WATERMARK FOR event_time AS event_time - INTERVAL '$out_of_order_seconds' SECOND(3, 3)
) WITH (
  'connector' = 'kafka',
  'topic' = '$topic',
  $kafka,
  'properties.group.id' = '$group',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'ctr-event',
  'ctr-event.record' = 'training_sample',
  'ctr-event.schema-folder' = '$schema_folder'
)
