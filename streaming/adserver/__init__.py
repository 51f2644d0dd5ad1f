"""A stand-in ad server: asks the scorer, shows ads, draws clicks, produces the events."""
