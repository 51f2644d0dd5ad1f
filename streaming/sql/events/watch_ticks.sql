-- A row a second, at which Redis is looked at: does it hold all rows?
CREATE TEMPORARY TABLE watch_ticks (
  tick BIGINT
) WITH (
  'connector' = 'datagen',
  'rows-per-second' = '1'
)
