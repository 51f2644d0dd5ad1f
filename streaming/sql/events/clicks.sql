-- Clicks; faults and times as in impressions.sql.
CREATE TEMPORARY TABLE clicks (
  message_key BYTES,
  request_id STRING,
  ad_id STRING,
  ts BIGINT,
  error STRING,
  `raw` BYTES,
  kafka_topic STRING NOT NULL METADATA FROM 'topic' VIRTUAL,
  kafka_partition INT NOT NULL METADATA FROM 'partition' VIRTUAL,
  kafka_offset BIGINT NOT NULL METADATA FROM 'offset' VIRTUAL,
  kafka_ts TIMESTAMP_LTZ(3) NOT NULL METADATA FROM 'timestamp' VIRTUAL,
  fault AS CASE
    WHEN error IS NOT NULL THEN error
    WHEN ts IS NULL THEN 'not-avro: no value'
    WHEN TO_TIMESTAMP_LTZ(ts, 3) > TIMESTAMPADD(SECOND, $ahead_seconds, kafka_ts)
      THEN 'impossible-time: later than Kafka got it'
  END,
  event_time AS CASE
    WHEN error IS NULL
      AND TO_TIMESTAMP_LTZ(ts, 3) <= TIMESTAMPADD(SECOND, $ahead_seconds, kafka_ts)
      THEN TO_TIMESTAMP_LTZ(ts, 3)
    ELSE TO_TIMESTAMP_LTZ(0, 3)
  END,
  WATERMARK FOR event_time AS event_time - INTERVAL '$out_of_order_seconds' SECOND(3, 3)
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
  'value.ctr-event.record' = 'click'
)
