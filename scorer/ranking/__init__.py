"""The path of a request, from a question to an answer with tokens."""
