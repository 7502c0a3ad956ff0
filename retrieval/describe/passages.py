"""Passages of a track: where it changes, and which of its passages are alike.

Every moment gets the label whose mean it is nearest to, at a price for each change of label and for
each label, so that passages are long and labels few: clustering that knows of durations, after Levy
and Sandler, "Structural segmentation of musical audio by constrained clustering", IEEE TASLP 16(2),
2008. Labels are merged for as long as that is cheaper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Labels = NDArray[np.intp]

MOST = 12
"""Labels at most."""

_CHANGE, _LABEL = 3.0, 3.0
"""Prices of a change and of a label, in squared distances; chosen on songs of known form."""
_PIECE = 12
"""Moments of the pieces that labels are made of at first."""
_LOOP = (8, 44)
"""Moments of a loop of chords, at least and at most."""
_LEAST, _USUAL = 14, 24
"""Moments that means are taken over at least, and where there is no loop."""
_ROUNDS = 6
_VARIED = 0.25
"""Variance of the means in what has more than one passage."""
_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Passages:
    """Passages in the order of their coming.

    Attributes:
        starts: First moment of each, ascending, from 0.
        labels: Of each; 0 is the first one's, then in the order of their coming.
        confidence: Of each, 0..1: how much nearer its moments are to its label than to any other.
    """

    starts: Labels
    labels: Labels
    confidence: Rows


def passages(moments: Rows) -> Passages:
    """The passages of a track.

    Args:
        moments: Shape (moments, features), each feature around 0; at least 12 of them.
    """
    smooth = _smoothed(moments, _window(moments))
    labels, price = _settled(smooth, _pieces(smooth))
    while labels.max() > 0:
        fewer, less = _settled(smooth, _merged(smooth, labels))
        if less > price:
            break
        labels, price = fewer, less
    labels = _refined(moments, labels)
    starts = np.append(0, np.flatnonzero(np.diff(labels)) + 1)
    sure = np.add.reduceat(_clearness(smooth, labels), starts)
    lengths = np.diff(np.append(starts, len(labels)))
    order = {label: place for place, label in enumerate(dict.fromkeys(labels[starts].tolist()))}
    named = np.array([order[label] for label in labels[starts].tolist()], dtype=np.intp)
    return Passages(starts, named, sure / lengths)


def _window(moments: Rows) -> int:
    """Moments of a loop of chords: over whole ones, means stay the same in all of a passage."""
    count = len(moments)
    low, high = _LOOP[0], min(_LOOP[1], count // 3)
    power = np.square(np.abs(np.fft.rfft(moments, 2 * count, axis=0))).sum(axis=1)
    curve = (np.fft.irfft(power)[:count] / (count - np.arange(count)))[low:high]
    peaks = np.flatnonzero((curve[1:-1] >= curve[:-2]) & (curve[1:-1] >= curve[2:])) + 1
    if not len(peaks):
        return _USUAL
    loop = low + int(peaks[curve[peaks].argmax()])
    return loop if loop >= _LEAST else 2 * loop


def _smoothed(moments: Rows, window: int) -> Rows:
    """Means of that many moments around each."""
    count = len(moments)
    sums = np.cumsum(np.pad(moments, ((1, 0), (0, 0))), axis=0)
    starts = np.arange(count) - window // 2
    first, last = np.maximum(starts, 0), np.minimum(starts + window, count)
    return np.asarray((sums[last] - sums[first]) / (last - first)[:, None])


def _pieces(smooth: Rows) -> Labels:
    """Pieces of equal length, alike ones merged until there are no more labels than may be."""
    labels = np.arange(len(smooth), dtype=np.intp) // _PIECE
    while labels.max() >= MOST:
        labels = _merged(smooth, labels)
    return labels


def _merged(smooth: Rows, labels: Labels) -> Labels:
    """One label less: the two whose union adds the least variance (J. Ward, 1963)."""
    means, counts = _means(smooth, labels), np.bincount(labels)
    added = np.square(means[:, None] - means).sum(axis=2)
    added *= counts[:, None] * counts / (counts[:, None] + counts)
    added[np.tril_indices(len(counts))] = np.inf
    one, other = np.unravel_index(int(added.argmin()), added.shape)
    return _closed_up(np.where(labels == other, one, labels))


def _settled(smooth: Rows, labels: Labels) -> tuple[Labels, float]:
    """Labels by their means and means by their labels in turn, until both stay; and the price."""
    for _ in range(_ROUNDS):
        path, price = _cheapest(_distances(smooth, labels))
        before, labels = labels, _closed_up(path)
        if np.array_equal(before, labels):
            break
    return labels, price + _LABEL * (int(labels.max()) + 1)


def _cheapest(distances: Rows) -> tuple[Labels, float]:
    """The labels of least price, shape (moments,), by the Viterbi algorithm."""
    count, labels = distances.shape
    back = np.empty((count, labels), dtype=np.intp)
    own, best = np.arange(labels), distances[0]
    for moment in range(1, count):
        other = int(best.argmin())
        changed = best[other] + _CHANGE
        back[moment] = np.where(best <= changed, own, other)
        best = np.minimum(best, changed) + distances[moment]
    path = [int(best.argmin())]
    for moment in range(count - 1, 0, -1):
        path.append(int(back[moment, path[-1]]))
    return np.array(path[::-1], dtype=np.intp), float(best.min())


def _refined(moments: Rows, labels: Labels) -> Labels:
    """Borders where the moments themselves, not means over some, change sides."""
    distances = _distances(moments, labels)
    borders = [0, *(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
    found = labels.copy()
    for before, at, after in zip(borders, borders[1:], borders[2:], strict=False):
        start, end = (before + at) // 2, (at + after) // 2
        left, right = labels[at - 1], labels[at]
        worse = np.cumsum(distances[start:end, left] - distances[start:end, right])
        split = start + int(np.append(0.0, worse).argmin())
        found[start:split], found[split:end] = left, right
    return _closed_up(found)


def _clearness(smooth: Rows, labels: Labels) -> Rows:
    """How clear the label of each moment is, 0..1; of one label, how little its means vary.

    After P. Rousseeuw, "Silhouettes", Journal of Computational and Applied Mathematics 20, 1987.
    """
    distances = _distances(smooth, labels)
    places = np.arange(len(labels))
    own = distances[places, labels].copy()
    if distances.shape[1] == 1:
        return np.full(len(labels), max(0.0, 1.0 - float(own.mean()) / _VARIED))
    distances[places, labels] = np.inf
    return np.asarray(np.maximum(0.0, 1.0 - own / (distances.min(axis=1) + _TINY)))


def _distances(rows: Rows, labels: Labels) -> Rows:
    """Squares of the distances to the mean of each label, shape (moments, labels)."""
    return np.asarray(np.square(rows[:, None] - _means(rows, labels)).sum(axis=2))


def _means(rows: Rows, labels: Labels) -> Rows:
    sums = np.zeros((int(labels.max()) + 1, rows.shape[1]))
    np.add.at(sums, labels, rows)
    return np.asarray(sums / np.bincount(labels)[:, None])


def _closed_up(labels: Labels) -> Labels:
    """The same labels without gaps in their numbers."""
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.intp)
