"""Labels that come with Segue: voice, mood and genre, in words that every text model knows."""

from __future__ import annotations

from indexer.tagging_labels import parse_labels
from retrieval.encoders.zero_shot import Label

_LABELS = """
[voice]
vocals | singing voice | a song with vocals
instrumental | instrumental music

[mood]
calm
energetic
happy
sad
dark
romantic
aggressive
playful
mysterious
dreamy

[genre]
rock
pop
jazz
classical
electronic
folk
hip hop
metal
blues
country
reggae
latin
ambient
funk
techno
"""


def standard_labels() -> tuple[Label, ...]:
    """Those of ``segue tag --standard``."""
    return parse_labels(_LABELS.encode(), "the standard labels")
