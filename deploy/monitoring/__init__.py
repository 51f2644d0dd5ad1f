"""What watches the engine: rules for Prometheus, boards for Grafana."""
