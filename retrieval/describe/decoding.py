"""Chords and places in the bar of half beats, by a hidden Markov model.

After Papadopoulos and Peeters, "Joint estimation of chords and downbeats from an audio signal",
IEEE TASLP 19(1), 2011: chords change on downbeats rather than elsewhere, and what begins on a
downbeat is accented, so that each tells where the other is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.describe.evidence import BEAT, BETWEEN, DOWNBEAT

Rows = NDArray[np.float64]
Labels = NDArray[np.intp]

METERS = {4: 0.0, 3: -0.05}
"""Beats of a bar that are tried, and how likely each is beforehand, a step."""
COST = (1.0, 8.0, 10.0)
"""Of a change of chord on a downbeat, a beat, between two, in natural logarithms."""
_MIDDLE = 5.0
"""Of a change in the middle of a bar of four."""
ACCENTS = 0.3
"""Weight of what accents say beside what chords say."""
SLIP = 15.0
"""Cost of a bar that is cut short."""


def accents_of(meter: int) -> Labels:
    """Accents of the places of a bar, shape (2 * meter,)."""
    kinds = np.tile([BEAT, BETWEEN], meter)
    kinds[0] = DOWNBEAT
    return kinds


def costs_of(meter: int) -> Rows:
    """Of a change of chord at each place of a bar."""
    costs = np.array(COST)[accents_of(meter)]
    if meter == 4:
        costs[4] = _MIDDLE
    return costs


def decoded(chances: Rows, accents: Rows, costs: Rows) -> tuple[Labels, Labels, float]:
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
        slip = (best.flat[first] - SLIP - costs)[:, None]
        back[step] = np.where(reached >= slip, came, first)
        best = np.maximum(reached, slip) + chances[step] + accents[step][:, None]
    state = int(best.argmax())
    path = [state]
    for step in range(steps - 1, 0, -1):
        state = int(back[step].flat[state])
        path.append(state)
    found = np.array(path[::-1])
    return found % chords, found // chords, float(best.max())


def posteriors(chances: Rows, accents: Rows, costs: Rows) -> Rows:
    """The chance of each chord in each step, given all of them, shape (steps, chords).

    By the forward-backward algorithm, over the same paths as ``decoded``, whose arguments these
    are.
    """
    heard = np.exp(chances - chances.max(axis=1, keepdims=True))[:, None]
    heard = heard * np.exp(accents - accents.max(axis=1, keepdims=True))[:, :, None]
    changed, slipped = np.exp(-costs)[:, None], np.exp(-SLIP)
    before = np.empty_like(heard)
    before[0] = heard[0] / heard[0].sum()
    for step in range(1, len(heard)):
        came = np.roll(before[step - 1], 1, axis=0)
        came = came + changed * (came.sum(axis=1, keepdims=True) + slipped)
        came *= heard[step]
        before[step] = came / came.sum()
    after = np.ones(heard.shape[1:])
    found = np.empty(chances.shape)
    for step in range(len(heard) - 1, -1, -1):
        found[step] = (before[step] * after).sum(axis=0)
        follows = after * heard[step]
        new = changed * follows
        follows = follows + new.sum(axis=1, keepdims=True)
        after = np.roll(follows, -1, axis=0) + slipped * new.sum()
        after /= after.sum()
    return np.asarray(found / found.sum(axis=1, keepdims=True))
