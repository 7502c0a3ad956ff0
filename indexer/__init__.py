"""Reads a folder of music and writes it into a Segue library."""
