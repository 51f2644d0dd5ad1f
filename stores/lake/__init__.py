"""The files of the lake: where they are, and how each row is read once; see schemas.lake."""
