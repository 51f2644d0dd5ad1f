"""How a model learns: network, losses, delayed feedback, learner, calibration, export."""
