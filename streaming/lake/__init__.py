"""The files of the lake: where they are, reading and compacting them; see schemas.lake."""
