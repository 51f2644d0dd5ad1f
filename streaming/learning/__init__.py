"""Labelled samples -> a model that keeps learning -> row deltas, without any Flink in it."""
