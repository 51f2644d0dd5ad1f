"""Version 1 of the gRPC API; the *_pb2* files are generated."""
