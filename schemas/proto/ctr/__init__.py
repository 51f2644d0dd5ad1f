"""Package ctr of the gRPC API."""
