"""Bounded decoding: the only place bytes become sound."""
