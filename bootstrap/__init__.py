"""How to start from nothing, or again from history: train, calibrate, publish, backtest."""
