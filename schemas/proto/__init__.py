"""The gRPC API and its generated stubs."""
