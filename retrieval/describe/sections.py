"""Sections: where a track changes, and what comes again, as in A B A C."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.core.payload import Field, FieldType
from retrieval.describe.chroma import chroma
from retrieval.describe.mfcc import cosines
from retrieval.describe.passages import MOST, Rows, passages
from retrieval.describe.pictures import FINE_HOP, SHORT_HOP, mel_spectrogram
from retrieval.describe.protocol import RATE, Findings, Series, SeriesField, Sound

LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:MOST])

_STEP = 0.5
"""Seconds between moments."""
_SHORTEST = 30.0
"""Seconds of sound that have sections."""
_TIMBRE = 0.75
"""Spread of the timbre, that of pitch classes, in the treble and in the bass, being 1."""
_STILL = (3.0, 0.1)
"""Spread of timbre (dB) and of pitch classes below which nothing changes."""
_TINY = 1e-9


class Sections:
    """Passages that differ in timbre or harmony, with one letter for those that are alike."""

    name = "sections"
    version = 2
    fields = (
        Field("section_count", FieldType.INTEGER, "passages that differ in sound, 1..100", True),
        Field(
            "section_count_confidence", FieldType.FLOAT, "clearness of the least clear, 0..1", True
        ),
        Field("form", FieldType.KEYWORD, "passages by letters, alike ones the same: ABAC", True),
        Field("form_confidence", FieldType.FLOAT, "clearness of the letters, 0..1", True),
    )
    series = (
        SeriesField("sections", "class", "passages; those that are alike have one letter"),
        SeriesField("section_confidence", "0..1", "how clear the letter of each passage is"),
    )

    def describe(self, sound: Sound) -> Findings:
        """Nothing below half a minute of sound."""
        if sound.seconds < _SHORTEST or not np.any(sound.samples):
            return Findings({})
        found = passages(_moments(sound))
        starts = _STEP * found.starts.astype(np.float64)
        ends = np.append(starts[1:], sound.seconds)
        mean = float(np.average(found.confidence, weights=ends - starts))
        return Findings(
            {
                "section_count": len(starts),
                "section_count_confidence": round(float(found.confidence.min()), 3),
                "form": "".join(LETTERS[label] for label in found.labels),
                "form_confidence": round(mean, 3),
            },
            (
                Series(
                    "sections",
                    found.labels.astype(np.uint8),
                    times=starts,
                    ends=ends,
                    labels=LETTERS,
                ),
                Series(
                    "section_confidence",
                    found.confidence.astype(np.float32),
                    times=starts,
                    ends=ends,
                ),
            ),
        )


def _moments(sound: Sound) -> Rows:
    """Timbre and harmony of every half second, shape (moments, features), around 0."""
    count = int(sound.seconds / _STEP)
    mel = mel_spectrogram(sound)
    decibels = 10.0 * np.log10(np.maximum(mel, max(1e-8 * float(mel.max()), 1e-10)))
    timbre = _pooled(decibels @ cosines(mel.shape[1])[:, 1:], SHORT_HOP, count)
    picture = sound.share(chroma)
    parts = [_TIMBRE * _spread(timbre, _STILL[0])]
    for rows in (picture.treble, picture.bass):
        pitches = _pooled(np.sqrt(rows), FINE_HOP, count)
        pitches /= np.linalg.norm(pitches, axis=1, keepdims=True) + _TINY
        parts.append(_spread(pitches, _STILL[1]))
    return np.concatenate(parts, axis=1)


def _spread(rows: Rows, still: float) -> Rows:
    """The rows around 0, with a mean square of 1, or less in what hardly changes."""
    rows = rows - rows.mean(axis=0)
    size = float(np.sqrt(np.square(rows).sum(axis=1).mean()))
    return np.asarray(rows / max(size, still))


def _pooled(rows: NDArray[np.floating], hop: int, count: int) -> Rows:
    starts = np.round(np.arange(count) * _STEP * RATE / hop).astype(int)
    sums = np.add.reduceat(rows.astype(np.float64), starts, axis=0)
    return np.asarray(sums / np.diff(np.append(starts, len(rows)))[:, None])
