"""The two Flink jobs as graphs, and the places where they run. pyflink lives here."""
