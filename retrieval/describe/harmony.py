"""Chords, bars and beats of a track together, for each tells where the others are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from retrieval.describe.chroma import chroma
from retrieval.describe.decoding import (
    ACCENTS,
    COST,
    METERS,
    accents_of,
    costs_of,
    decoded,
    posteriors,
)
from retrieval.describe.evidence import (
    BEAT,
    NO_CHORD,
    accent_chances,
    chord_chances,
    halved,
)
from retrieval.describe.fitted import fitted
from retrieval.describe.levels import pulse
from retrieval.describe.protocol import Sound
from retrieval.describe.taps import emphasised

__all__ = ["NO_CHORD", "Harmony", "chord_shares", "chord_sureness", "harmony"]

Rows = NDArray[np.float64]
Labels = NDArray[np.intp]

_STILL = 0.5
"""Seconds of a step where there are no beats."""
_TINY = 1e-6
_LEAST = 1e-9
"""Chance below which chances are not told apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Harmony:
    """Half beats, or halves of a second where there are no beats.

    Attributes:
        edges: Seconds, ascending, one more than steps.
        chords: Of each step, 0..24.
        places: Of each step in its bar: 0 is the downbeat, even ones are beats.
        meter: Beats of a bar; None without beats.
        lead: How much better these downbeats explain a bar than the next best ones would, in
            natural logarithms; 0 without beats.
        odds: Natural logarithm of the odds that the chord of each step is right, as the decoder
            sees it; empty for chords from elsewhere.
    """

    edges: Rows
    chords: Labels
    places: Labels
    meter: int | None
    lead: float
    odds: Rows = field(default_factory=lambda: np.empty(0))


def harmony(sound: Sound) -> Harmony:
    """The chords of a sound, and the bars that they lie in."""
    found = sound.share(pulse)
    if found is None:
        edges = np.append(np.arange(0.0, sound.seconds, _STILL), sound.seconds)
        chances = chord_chances(sound.share(chroma), edges)
        still = np.zeros((len(chances), 1))
        costs = np.array([COST[BEAT]])
        chords, places, _ = decoded(chances, still, costs)
        return Harmony(edges, chords, places, None, 0.0, _odds(chances, still, costs, chords))
    edges = halved(found.taps, sound.seconds)
    chances = chord_chances(sound.share(chroma), edges)
    accents = ACCENTS * accent_chances(sound.share(emphasised), edges)
    tried = []
    for meter, prior in METERS.items():
        chords, places, score = decoded(chances, accents[:, accents_of(meter)], costs_of(meter))
        tried.append((score / len(chances) + prior, meter, chords, places))
    _, meter, chords, places = max(tried, key=lambda one: one[0])
    odds = _odds(chances, accents[:, accents_of(meter)], costs_of(meter), chords)
    return Harmony(edges, chords, places, meter, _lead(chords, places, accents, meter), odds)


def chord_shares(found: Harmony) -> Rows:
    """Share of the time that each chord sounds, shape (24,); what is missing has none."""
    lengths = np.diff(found.edges)
    sums = np.bincount(found.chords, weights=lengths, minlength=NO_CHORD + 1)
    return np.asarray(sums[:NO_CHORD] / (lengths.sum() + _TINY))


def chord_sureness(found: Harmony) -> Rows:
    """The chance that the chord of each step is right; empty for chords from elsewhere."""
    slope, offset = fitted("chord_odds")
    return np.asarray(1.0 / (1.0 + np.exp(-(slope * found.odds + offset))))


def _odds(chances: Rows, accents: Rows, costs: Rows, chords: Labels) -> Rows:
    """Of the chords that were told, within what numbers can tell apart."""
    likely = posteriors(chances, accents, costs)
    steps = np.arange(len(chords))
    told = likely[steps, chords]
    likely[steps, chords] = 0.0
    others = likely.sum(axis=1)
    return np.asarray(np.log(np.maximum(told, _LEAST) / np.maximum(others, _LEAST)))


def _lead(chords: Labels, places: Labels, accents: Rows, meter: int) -> float:
    """How much better the downbeats fit than those of any other beat, a bar; chords being given."""
    kinds, costs = accents_of(meter), costs_of(meter)
    changes = np.append(False, chords[1:] != chords[:-1])
    steps = np.arange(len(places))
    scores = []
    for shift in range(0, 2 * meter, 2):
        moved = (places + shift) % (2 * meter)
        scores.append(accents[steps, kinds[moved]].sum() - costs[moved][changes].sum())
    return float((scores[0] - max(scores[1:])) * 2 * meter / len(places))
