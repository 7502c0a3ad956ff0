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
_SLIP = 15.0
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
