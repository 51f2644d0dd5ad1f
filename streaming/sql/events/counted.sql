-- What counters count.
CREATE TEMPORARY VIEW counted AS
SELECT kind, ts, counter_keys
FROM joined
WHERE `output` = 'ENGAGEMENT'
