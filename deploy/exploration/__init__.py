"""What exploration finds and costs, in the simulated world."""
