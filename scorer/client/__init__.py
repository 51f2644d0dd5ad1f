"""For ad servers: a thin client of the scorer; needs grpcio, protobuf and schemas.proto only."""
