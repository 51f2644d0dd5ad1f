-- Records that were refused, with why and where they came from.
CREATE TEMPORARY TABLE dead_letters_topic (
  message_key BYTES,
  topic STRING,
  `partition` INT,
  `offset` BIGINT,
  reason STRING,
  `value` BYTES
) WITH (
  'connector' = 'kafka',
  'topic' = '$topic',
  $kafka,
  'properties.enable.idempotence' = 'true',
  'sink.delivery-guarantee' = 'at-least-once',
  'key.format' = 'raw',
  'key.fields' = 'message_key',
  'value.fields-include' = 'EXCEPT_KEY',
  'value.format' = 'ctr-event',
  'value.ctr-event.record' = 'dead_letter'
)
