"""The local stack: Kafka, Redis, the two Flink jobs and a scorer under one supervisor."""
