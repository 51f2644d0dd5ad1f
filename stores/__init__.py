"""How every process reaches Redis, be it one server or a cluster."""
