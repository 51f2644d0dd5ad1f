"""The monitor: what no other process can say of the engine, read from Kafka and Redis."""
