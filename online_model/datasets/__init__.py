"""Readers of public click logs: each row says what was asked, what was shown and what happened."""
