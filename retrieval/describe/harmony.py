"""Chords, bars and beats together, for each tells where the others are.

Half beats are labelled with one of 25 chords and a place in the bar by a hidden Markov model
(after Papadopoulos and Peeters, "Joint estimation of chords and downbeats from an audio signal",
IEEE TASLP 19(1), 2011): chords change on downbeats rather than elsewhere, and what begins on a
downbeat is accented. What the pitch classes say of a chord is fitted, in one model turned to all
twelve roots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.describe.chroma import FRAME_RATE as CHROMA_RATE
from retrieval.describe.chroma import Chroma, chroma
from retrieval.describe.fitted import fitted
from retrieval.describe.onsets import FRAME_RATE
from retrieval.describe.protocol import Sound
from retrieval.describe.pulse import emphasised, pulse

Rows = NDArray[np.float64]
Labels = NDArray[np.intp]

CHORDS = 25
"""0..11 are C to B major, 12..23 minor, the last is no chord."""
NO_CHORD = 24

DOWNBEAT, BEAT, BETWEEN = 0, 1, 2
"""Accents that places of a bar have."""
METERS = {4: 0.0, 3: -0.02}
"""Beats of a bar that are tried, and how likely each is beforehand, a step."""

_COST = (1.0, 8.0, 10.0)
"""Of a change of chord on a downbeat, a beat, between two, in natural logarithms."""
_MIDDLE = 5.0
"""Of a change in the middle of a bar of four."""
_ACCENTS = 0.3
"""Weight of what accents say beside what chords say."""
_SLIP = 8.0
"""Cost of a bar that is cut short."""
_STILL = 0.5
"""Seconds of a step where there are no beats."""
_FEWEST = 4
"""Taps that make a pulse."""
_POWER = 0.4
_TINY = 1e-6


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
    """

    edges: Rows
    chords: Labels
    places: Labels
    meter: int | None
    lead: float


def harmony(sound: Sound) -> Harmony:
    """The chords of a sound, and the bars that they lie in."""
    taps = sound.share(pulse)
    if len(taps) < _FEWEST:
        edges = np.append(np.arange(0.0, sound.seconds, _STILL), sound.seconds)
        chances = chord_chances(sound.share(chroma), edges)
        chords, places, _ = _decoded(chances, np.zeros((len(chances), 1)), np.array([_COST[BEAT]]))
        return Harmony(edges, chords, places, None, 0.0)
    edges = halved(taps, sound.seconds)
    chances = chord_chances(sound.share(chroma), edges)
    accents = _ACCENTS * accent_chances(sound.share(emphasised), edges)
    tried = []
    for meter, prior in METERS.items():
        costs, kinds = _costs(meter), accents_of(meter)
        chords, places, score = _decoded(chances, accents[:, kinds], costs)
        tried.append((score / len(chances) + prior, meter, chords, places))
    _, meter, chords, places = max(tried, key=lambda one: one[0])
    return Harmony(edges, chords, places, meter, _lead(chords, places, accents, meter))


def chord_shares(found: Harmony) -> Rows:
    """Share of the time that each chord sounds, shape (24,); what is missing has none."""
    lengths = np.diff(found.edges)
    sums = np.bincount(found.chords, weights=lengths, minlength=NO_CHORD + 1)
    return np.asarray(sums[:NO_CHORD] / (lengths.sum() + _TINY))


def halved(taps: Rows, seconds: float) -> Rows:
    """Edges of half beats from the first moment to the last; the taps' intervals go on outside."""
    before, after = taps[1] - taps[0], taps[-1] - taps[-2]
    early = np.arange(taps[0] - before, -before / 2, -before)[::-1]
    late = np.arange(taps[-1] + after, seconds + after / 2, after)
    beats = np.concatenate([early, taps, late])
    edges = np.interp(np.arange(0.0, len(beats) - 0.5, 0.5), np.arange(len(beats)), beats)
    return np.asarray(edges[(edges > -before / 4) & (edges < seconds + after / 4)])


def chord_features(picture: Chroma, edges: Rows) -> NDArray[np.float32]:
    """Mean pitch classes of each step, shape (steps, 2, 12): treble and bass, of unit length."""
    parts = []
    for rows in (picture.treble, picture.bass):
        sums = np.cumsum(np.pad(rows**_POWER, ((1, 0), (0, 0))), axis=0, dtype=np.float64)
        # Frame n lasts from n - 1/2 to n + 1/2.
        at = np.clip(edges * CHROMA_RATE + 0.5, 0.0, len(rows))
        whole = np.minimum(at.astype(int), len(rows) - 1)
        below = sums[whole] + (at - whole)[:, None] * (sums[whole + 1] - sums[whole])
        means = np.diff(below, axis=0)
        parts.append(means / (np.linalg.norm(means, axis=1, keepdims=True) + _TINY))
    return np.stack(parts, axis=1).astype(np.float32)


def silence_features(picture: Chroma, edges: Rows) -> NDArray[np.float32]:
    """What tells that there is no chord, shape (steps, 2): flatness of the treble, 1 without."""
    flat = chord_features(picture, edges)[:, 0].sum(axis=1) / np.sqrt(12.0)
    return np.stack([np.where(flat > _TINY, flat, 1.0), np.ones_like(flat)], axis=1)


def chord_chances(picture: Chroma, edges: Rows) -> Rows:
    """Natural logarithms of the chances of each chord in each step, shape (steps, CHORDS)."""
    features = chord_features(picture, edges)
    turned = features[:, :, (np.arange(12)[:, None] + np.arange(12)) % 12]
    scores = np.einsum("nfrs,qfs->nqr", turned, fitted("chords")) + fitted("chord_modes")[:, None]
    none = silence_features(picture, edges) @ fitted("no_chord")
    return _normalised(np.concatenate([scores.reshape(len(features), 24), none[:, None]], axis=1))


def accent_features(rows: Rows, edges: Rows) -> Rows:
    """The onset strengths at the beginning of each step, shape (steps, rows + 1); the last is 1."""
    frames = edges[:-1] * FRAME_RATE
    places = np.arange(rows.shape[1])
    near = [[np.interp(frames + d, places, row) for d in (-2.0, 0.0, 2.0)] for row in rows]
    return np.vstack([np.max(near, axis=1), np.ones(len(frames))]).T


def accent_chances(rows: Rows, edges: Rows) -> Rows:
    """How much more likely each accent is than usual, natural logarithms, shape (steps, 3)."""
    scores = _normalised(accent_features(rows, edges) @ fitted("accents"))
    return np.asarray(scores - fitted("accents_usual"))


def accents_of(meter: int) -> Labels:
    """Accents of the places of a bar, shape (2 * meter,)."""
    kinds = np.tile([BEAT, BETWEEN], meter)
    kinds[0] = DOWNBEAT
    return kinds


def _costs(meter: int) -> Rows:
    """Of a change of chord at each place of a bar."""
    costs = np.array(_COST)[accents_of(meter)]
    if meter == 4:
        costs[4] = _MIDDLE
    return costs


def _decoded(chances: Rows, accents: Rows, costs: Rows) -> tuple[Labels, Labels, float]:
    """The likeliest chords and places in the bar, by the Viterbi algorithm, and their score.

    Args:
        chances: Logarithms, shape (steps, chords).
        accents: Logarithms, shape (steps, places).
        costs: Of a change of chord at each place.
    """
    steps, (places, chords) = len(chances), (len(costs), chances.shape[1])
    states = np.arange(places * chords).reshape(places, chords)
    back = np.empty((steps, places, chords), dtype=np.int32)
    best = chances[0] + accents[0][:, None]
    rows = np.arange(places)
    for step in range(1, steps):
        stay, came = np.roll(best, 1, axis=0), np.roll(states, 1, axis=0)
        choice = stay.argmax(axis=1)
        change = (stay[rows, choice] - costs)[:, None]
        came = np.where(stay >= change, came, came[rows, choice][:, None])
        reached = np.maximum(stay, change)
        first = int(best[:].argmax())
        slip = (best.flat[first] - _SLIP - costs)[:, None]
        back[step] = np.where(reached >= slip, came, first)
        best = np.maximum(reached, slip) + chances[step] + accents[step][:, None]
    state = int(best.argmax())
    path = [state]
    for step in range(steps - 1, 0, -1):
        state = int(back[step].flat[state])
        path.append(state)
    found = np.array(path[::-1])
    return found % chords, found // chords, float(best.max())


def _lead(chords: Labels, places: Labels, accents: Rows, meter: int) -> float:
    """How much better the downbeats fit than those of any other beat, a bar; chords being given."""
    kinds, costs = accents_of(meter), _costs(meter)
    changes = np.append(False, chords[1:] != chords[:-1])
    steps = np.arange(len(places))
    scores = []
    for shift in range(0, 2 * meter, 2):
        moved = (places + shift) % (2 * meter)
        scores.append(accents[steps, kinds[moved]].sum() - costs[moved][changes].sum())
    return float((scores[0] - max(scores[1:])) * 2 * meter / len(places))


def _normalised(scores: Rows) -> Rows:
    raised = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(raised - np.log(np.exp(raised).sum(axis=1, keepdims=True)))
