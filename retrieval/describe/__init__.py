"""What a track is, told from its sound alone: loudness, tempo, key, chords, timbre, form."""

from retrieval.describe.protocol import RATE, Descriptor, Findings, Series, SeriesField, Sound

__all__ = ["RATE", "Descriptor", "Findings", "Series", "SeriesField", "Sound"]
