"""The demo: the whole loop on one machine, watched, accounted for and judged."""
