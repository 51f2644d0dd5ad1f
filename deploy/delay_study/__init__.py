"""What late clicks cost, by method, measured behind the real Flink jobs."""
