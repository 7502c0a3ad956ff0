"""Where in a track the music for a clip begins, and how it is laid under it."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.core.tracks import Span

ON_BEAT = 0.08
"""Seconds from the nearest beat within which a cut is on it: about what eyes and ears join."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A track laid under a clip.

    Attributes:
        start: The in-point: seconds in the track that sound with the clip's first frame.
        end: Seconds in the track that sound with its last frame.
        anchor: Seconds in the track of the downbeat or section start (of tracks whose bars are not
            clear, the beat) that the in-point was chosen by.
        meets: Seconds in the clip where the anchor falls: 0, or one of its first cuts.
        offsets: Seconds from the nearest beat to each cut, negative where the cut comes first.
        accents: How far the cuts meet the beats: 1 if all do, 0 as at any moment, below 0 worse.
        motion: Correlation of loudness with motion over the clip, -1 to 1; 0 if either is constant.
        borders: How far start and end are at the borders of sections (1) or bars (0.5), 0 to 1.
        score: The three weighted; see ``search.cue``.
        plan: Spans of the track to play one after the other; more than one where the track is
            repeated, because it is shorter than the clip.
        stretch: Tempo that would meet the cuts better, as a factor within 4 % of 1; 1 where none
            would by much. The other values are without it.
    """

    start: float
    end: float
    anchor: float
    meets: float
    offsets: tuple[float, ...]
    accents: float
    motion: float
    borders: float
    score: float
    plan: tuple[Span, ...]
    stretch: float = 1.0

    @property
    def on_beat(self) -> int:
        """How many cuts are on a beat."""
        return sum(abs(offset) <= ON_BEAT for offset in self.offsets)

    @property
    def looped(self) -> bool:
        """Whether parts of the track are repeated."""
        return len(self.plan) > 1
