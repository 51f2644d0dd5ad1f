"""The served model: read from packages, split into halves, kept current, changed at once."""
