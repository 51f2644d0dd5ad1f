-- A compacted topic, $name: the newest record of each key, or a null value, which deletes it.
CREATE TEMPORARY TABLE ${name}_topic (
  message_key STRING,
  $id STRING,
  ts BIGINT,
  error STRING,
  `raw` BYTES,
  encoded BYTES,
  kafka_topic STRING NOT NULL METADATA FROM 'topic' VIRTUAL,
  kafka_partition INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  kafka_offset BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL,
  kafka_ts TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL
) WITH (
  'connector' = 'kafka',
  'topic' = '$topic',
  $kafka,
  'properties.group.id' = '$group',
  'scan.startup.mode' = 'earliest-offset',
  'key.format' = 'raw',
  'key.fields' = 'message_key',
  'value.fields-include' = 'EXCEPT_KEY',
  'value.format' = 'ctr-event',
  'value.ctr-event.schema-folder' = '$schema_folder',
  'value.ctr-event.schema-registry' = '$schema_registry',
  'value.ctr-event.record' = '$record'
)
