"""Training of the built-in ear."""
