"""Batches of absolute, versioned values -> Redis: counters, last clicks, ads, users."""
