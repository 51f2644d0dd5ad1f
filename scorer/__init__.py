"""How a request becomes a ranking in milliseconds, while model and ads keep changing."""
