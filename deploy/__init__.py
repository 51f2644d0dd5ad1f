"""Where the engine runs: the local stack, the demo and the files for clusters."""
