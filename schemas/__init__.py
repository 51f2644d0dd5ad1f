"""What the processes agree on: records, topics, features, encoding, keys, packages. No I/O."""
