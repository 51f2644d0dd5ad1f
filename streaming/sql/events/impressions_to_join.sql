-- A record with a fault has no identity but its offset.
CREATE TEMPORARY VIEW impressions_to_join AS
SELECT
  COALESCE(
    request_id, CONCAT(CAST(kafka_partition AS STRING), '/', CAST(kafka_offset AS STRING))
  ) AS request_id,
  COALESCE(ad_id, '') AS ad_id,
  ts, impression, fault AS error, message_key, `raw`,
  kafka_topic AS topic, kafka_partition AS `partition`, kafka_offset AS `offset`
FROM impressions
