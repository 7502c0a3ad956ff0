"""Which of the likely tempi is the one that people would tap.

Each is laid through the track, with its chords and bars, and judged by what comes of it: how much
begins on its beats and between them, how steady they are, how well chords fit the steps, and where
in the bar they change. The weights are fitted, so that the soft maximum over the candidates is the
probability of being right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.describe.chroma import chroma
from retrieval.describe.decoding import ACCENTS, METERS, accents_of, costs_of, decoded
from retrieval.describe.evidence import accent_chances, chord_chances, halved
from retrieval.describe.fitted import fitted
from retrieval.describe.onsets import FRAME_RATE
from retrieval.describe.protocol import Sound
from retrieval.describe.taps import emphasised, likeness, tracked
from retrieval.describe.tempo import candidates

Rows = NDArray[np.float64]

_FEWEST = 4
"""Taps that make a pulse."""
_WALK = 110.0
"""Beats per minute."""
_SAME = 0.04
"""Part of a tempo within which another is the same."""
_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Pulse:
    """A tempo, half or double of it, and its taps.

    Attributes:
        bpm: Beats per minute, 35..260.
        octave: 2 or 1/2, whichever of both makes the likelier tempo of it.
        confidence: Probability that ``bpm`` is within 4 % of what is notated, 0..1.
        octave_confidence: The same of the other tempo.
        taps: Seconds, ascending, at least four. They may lie off the beat by half of it:
            ``retrieval.describe.harmony`` tells on which of the two the chords change.
    """

    bpm: float
    octave: float
    confidence: float
    octave_confidence: float
    taps: Rows


def pulse(sound: Sound) -> Pulse | None:
    """The pulse of a sound; None below eight seconds, or where nothing begins."""
    tried = [(bpm, *judged(sound, bpm, chance)) for bpm, chance in candidates(sound)]
    tried = [one for one in tried if len(one[2]) >= _FEWEST]
    if not tried:
        return None
    scores = np.array([features for _, features, _ in tried]) @ fitted("levels")
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    best = int(chances.argmax())
    bpm, _, taps = tried[best]
    tempi = np.array([one[0] for one in tried])
    octaves = {by: float(chances[_near(tempi, by * bpm)].sum()) for by in (0.5, 2.0)}
    # Where neither was tried, the one nearer to a walk.
    octave = max(octaves, key=lambda by: (octaves[by], -abs(np.log2(by * bpm / _WALK))))
    return Pulse(bpm, octave, float(chances[best]), octaves[octave], taps)


def _near(tempi: Rows, bpm: float) -> NDArray[np.bool_]:
    return np.asarray(np.abs(tempi / bpm - 1.0) < _SAME)


def judged(sound: Sound, bpm: float, chance: float) -> tuple[Rows, Rows]:
    """What comes of a tempo: 24 features, and its taps in seconds.

    Args:
        sound: The track.
        bpm: The tempo.
        chance: The natural logarithm of its chance by the rhythm alone.
    """
    rows = sound.share(emphasised)
    period = 60.0 * FRAME_RATE / bpm
    strength = likeness(rows, period, fitted("beats"))
    frames = tracked(strength, period)
    on = frames.astype(int)
    between = (on[1:] + on[:-1]) // 2 if len(on) > 1 else on
    strength = (strength - strength.mean()) / (strength.std() + _TINY)
    unsteady = np.std(np.diff(frames)) / period if len(on) > 1 else 0.0
    taps = frames / FRAME_RATE
    octaves = np.log2(bpm / _WALK)
    return np.array(
        [
            *(chance, octaves, octaves**2),
            *(strength[on].mean(), strength[between].mean(), 5.0 * unsteady),
            *rows[:, on].mean(axis=1),
            *rows[:, between].mean(axis=1),
            *(_fit(sound, rows, taps) if len(on) > 1 else np.zeros(8)),
        ]
    ), taps


def _fit(sound: Sound, rows: Rows, taps: Rows) -> Rows:
    """How well chords and bars fit: scores by step and by second, and where chords change."""
    edges = halved(taps, sound.seconds)
    chances = chord_chances(sound.share(chroma), edges)
    accents = ACCENTS * accent_chances(rows, edges)
    steps, seconds = len(chances), sound.seconds
    best = -np.inf
    for meter, prior in METERS.items():
        found = decoded(chances, accents[:, accents_of(meter)], costs_of(meter))
        score = found[2] + prior * steps
        if score > best:
            best, chords, places, beats = score, found[0], found[1], meter
    lost = best - chances.max(axis=1).sum()
    changes = np.flatnonzero(np.diff(chords)) + 1
    at = np.bincount(places[changes], minlength=2 * beats) / max(1, len(changes))
    middle = at[4] if beats == 4 else 0.0
    return np.array(
        [
            *(best / steps, best / seconds, lost / steps, lost / seconds),
            *(8.0 * len(changes) / steps, at[0], middle, at[2::2].sum() - middle),
        ]
    )
