"""A module a page: what it shows as JSON, and what an operator does there."""
