"""gRPC: services, limits, TLS; converts, calls, converts."""
