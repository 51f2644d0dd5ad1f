"""Compacting the lake and saying what is in it; see schemas.lake."""
