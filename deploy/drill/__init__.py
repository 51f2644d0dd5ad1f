"""The drill: breaks a real stack and sees that the right alerts fire, and clear afterwards."""
