"""Frozen domain types and errors: NumPy only, no I/O, imported by every other layer."""
