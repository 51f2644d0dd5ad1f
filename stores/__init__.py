"""How every process reaches Redis, be it one server or a cluster, and the files of the lake."""
