-- A row a second, so that the learner follows the base that is served also while no samples come.
CREATE TEMPORARY TABLE ticks (
  tick BIGINT
) WITH (
  'connector' = 'datagen',
  'rows-per-second' = '1'
)
