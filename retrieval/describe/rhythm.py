"""Tempo, beats and bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.core.payload import BPM_ALT, BPM_CONFIDENCE, Field, FieldType, PayloadValue
from retrieval.core.series import Series
from retrieval.describe.harmony import harmony
from retrieval.describe.levels import pulse
from retrieval.describe.protocol import Findings, SeriesField, Sound

Times = NDArray[np.float64]

_SURE = 2.4
"""Least ``Harmony.lead`` at which downbeats are given: below it, half of the songs had others."""
_STEADY = 0.06
"""Part of the usual interval by which one of a steady pulse differs from it at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Seconds of the beats and of the first beats of bars, ascending; empty where not known."""

    beats: Times
    downbeats: Times


class Rhythm:
    """Tempo, its half or double, beats, and downbeats where they are clear."""

    name = "rhythm"
    version = 2
    fields = (
        Field("bpm_measured", FieldType.FLOAT, "tempo, beats per minute, 30..300", computed=True),
        BPM_ALT,
        BPM_CONFIDENCE,
        Field("bpm_alt_confidence", FieldType.FLOAT, "chance that bpm_alt is right, 0..1", True),
    )
    series = (
        SeriesField("beats", "s", "place in the bar from 1, or 0 where bars are not clear"),
        SeriesField("downbeats", "s", "first beats of bars; none where bars are not clear"),
    )

    def describe(self, sound: Sound) -> Findings:
        """Nothing of sound without onsets, or below eight seconds."""
        found = sound.share(pulse)
        if found is None:
            return Findings({})
        bpm = steady_bpm(found.taps, found.bpm)
        scalars: dict[str, PayloadValue] = {
            "bpm_measured": round(bpm, 1),
            "bpm_alt": round(found.octave * bpm, 1),
            "bpm_confidence": round(found.confidence, 3),
            "bpm_alt_confidence": round(found.octave_confidence, 3),
        }
        moments = beats(sound)
        places = np.zeros(len(moments.beats), dtype=np.uint8)
        if len(moments.downbeats):
            bar = np.searchsorted(moments.downbeats, moments.beats + 1e-6)
            first = np.searchsorted(moments.beats, moments.downbeats - 1e-6)
            after = bar > 0
            places[after] = np.arange(len(places))[after] - first[bar[after] - 1] + 1
        bars = np.ones(len(moments.downbeats), dtype=np.uint8)
        return Findings(
            scalars,
            (
                Series("beats", places, times=moments.beats),
                Series("downbeats", bars, times=moments.downbeats),
            ),
        )


def beats(sound: Sound) -> Moments:
    """The beats of a sound, on that side of the taps where chords change."""
    tapped = sound.share(pulse)
    if tapped is None:
        return Moments(np.empty(0), np.empty(0))
    found = sound.share(harmony)
    starts = found.edges[:-1]
    heard = (starts > tapped.taps[0] - 1e-6) & (starts < tapped.taps[-1] + 1e-6)
    down = starts[heard & (found.places == 0)] if found.lead > _SURE else np.empty(0)
    return Moments(starts[heard & (found.places % 2 == 0)], down)


def steady_bpm(taps: Times, bpm: float) -> float:
    """A tempo, made exact by the mean of those intervals that keep to it."""
    intervals = np.diff(taps)
    steady = intervals[np.abs(intervals * bpm / 60.0 - 1.0) < _STEADY]
    return 60.0 / float(steady.mean()) if len(steady) else bpm
