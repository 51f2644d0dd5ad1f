"""Arrays that one process writes and others map, and work that keeps behind requests."""
