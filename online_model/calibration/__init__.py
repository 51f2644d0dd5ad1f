"""What makes a probability of a score: isotonic, Platt, and by field."""
