"""The ads in memory: what is served of them, who has which attribute, what was clicked."""
