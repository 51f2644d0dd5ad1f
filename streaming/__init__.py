"""How events become features, labels and model updates: the two Flink jobs and their tools."""
