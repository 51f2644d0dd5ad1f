"""Both Flink jobs as least users of a secured Kafka and Redis; no secret in any log line."""
