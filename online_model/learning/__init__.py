"""Continual learning from the label stream: learner, guard, and the state it is kept in."""
