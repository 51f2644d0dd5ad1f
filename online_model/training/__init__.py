"""From history to a package: steps, losses for late clicks, one process or several."""
