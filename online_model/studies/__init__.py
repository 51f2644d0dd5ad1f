"""What a choice costs, on real rows: late clicks, poisoned labels, calibration."""
