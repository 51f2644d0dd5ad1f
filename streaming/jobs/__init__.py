"""The two Flink jobs as graphs, and the embedded cluster that runs one. pyflink lives here."""
