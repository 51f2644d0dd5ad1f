-- What happened, each once.
CREATE TEMPORARY TABLE engagements_topic (
  message_key STRING,
  kind STRING,
  request_id STRING,
  ad_id STRING,
  user_id STRING,
  ts BIGINT,
  `position` INT,
  price BIGINT,
  `variant` STRING,
  model_version STRING,
  predicted_ctr FLOAT,
  propensity FLOAT,
  counter_keys ARRAY<STRING>
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
  'value.ctr-event.record' = 'engagement'
)
