"""The operator's console: a web page that shows the loop and acts on it."""
