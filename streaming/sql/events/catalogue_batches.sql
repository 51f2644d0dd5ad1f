-- Catalogue rows of a moment as columns, in the order of arrival.
CREATE TEMPORARY VIEW catalogue_batches AS
SELECT
  kind,
  ARRAY_AGG(COALESCE(message_key, '')) AS keys,
  ARRAY_AGG(COALESCE(version_ms, CAST(0 AS BIGINT))) AS versions,
  ARRAY_AGG(COALESCE(encoded, X'')) AS bodies
FROM TABLE(TUMBLE(TABLE catalogue_rows, DESCRIPTOR(arrived), INTERVAL '$batch_seconds' SECOND(2, 3)))
WHERE fault IS NULL
GROUP BY kind, window_start, window_end
