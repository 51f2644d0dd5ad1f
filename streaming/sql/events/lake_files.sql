-- How a table of the lake lies in files: what follows its columns.
PARTITIONED BY (`day`, `hour`) WITH (
  'connector' = 'filesystem',
  'path' = '$path',
  'format' = 'parquet',
  'parquet.compression' = 'SNAPPY',
  'parquet.write.int64.timestamp' = 'true',
  'parquet.timestamp.time.unit' = 'millis',
  'sink.rolling-policy.rollover-interval' = '10 min',
  'sink.partition-commit.trigger' = 'partition-time',
  'sink.partition-commit.delay' = '1 h',
  'sink.partition-commit.watermark-time-zone' = 'UTC',
  'sink.partition-commit.policy.kind' = 'success-file',
  'partition.time-extractor.timestamp-pattern' = '$$day $$hour:00:00'
)
