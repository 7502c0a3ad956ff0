"""From cosines between labels and tracks to scores that mean the same for every label.

A cosine between a text and a sound runs low, and how low depends on both: some texts are near
everything, some tracks are near every text (hubs), and what is far for one label is near for
another. So nothing absolute is read from it; a label is measured on the library it is to tag.

With unit vectors x of a track, t of a label and b_1 … b_K of background texts (``zero_shot``), the
evidence for the label is

    u = x·t - mean_k x·b_k = x·(t - b̄)

It leaves out what a track gives to any text, as CSLS does for nearest neighbours (Conneau et al.
2018) and a query bank for retrieval (Bogolin et al. 2022), and what all prompts have in common.
Over the library, u is taken for a mixture of two normal groups of one width (McLachlan and Peel
2000): the others, and those that the label sets apart, with shares 1 - π and π, means μ1 < μ2 and
deviation σ. The score is the probability of the upper group,

    score = 1 / (1 + exp(-(slope·u + offset))),   slope = (μ2 - μ1) / σ²,
                                                  offset = ln(π / (1 - π)) - slope·(μ1 + μ2) / 2

so that of the tracks that score 0.7, seven in ten are expected to belong to the group, whatever the
label. It rises with u everywhere and costs one product per track and label.

The groups have to be there: the mixture beats one normal by 6 or more in the Bayesian information
criterion ("strong", Kass and Raftery 1995), and by 48/n more on n tracks, for of many labels asked
of few tracks one fits by chance (measured: 4 in 1000 labels of nothing on 16 tracks); the means lie
at least 2σ apart, below which two normal groups have but one peak (Ashman, Bird and Zepf 1994), and
at least one ordinary deviation of the background texts; the group has 80 % of the tracks at most
and two at least; and if it has more than half of them, there are fewer midway than among the
others, for a long lower tail makes such a group too. Values count as no further out than three
deviations below the lowest fifth and eight above the median, so that a few odd tracks, noise or
speech, do not make a group by themselves. Where no such groups are, the label separates nothing,
and an assumed group stands in: 5 % of the tracks, four deviations above the median, the deviation
being 1.4826 times the median absolute one, at least half of the background's, and 1 + 4/n times as
much on n tracks, where it is not well known. Such a score passes 0.5 at 2.74 deviations: outliers
or nothing, never a fixed share.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]

SAMPLE = 32_768
"""Tracks that labels are measured on at most, chosen by the digest of their id."""

_STARTS = np.array([0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75])
_BINS = 1_024
_ROUNDS = 200
_CLOSE = 1e-6
_TAILS = (3.0, 8.0)
_GAIN, _CHANCE = 6.0, 48.0
_GAP = 2.0
_SHARE = 0.8
_LEAST = 1.5
_ASSUMED_SHARE, _ASSUMED_GAP = 0.05, 4.0
_UNSURE = 4.0
_MAD = 1.4826
_TINY = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class LabelFit:
    """A label measured on a library, in one space.

    Attributes:
        direction: t - b̄, shape (dim,).
        slope: Positive.
        offset: As in the formula.
        share: Of the group that was found, 0..0.8; None where the label separates nothing.
        tracks: How many it was measured on.
    """

    direction: Matrix
    slope: float
    offset: float
    share: float | None
    tracks: int


class Scorer:
    """Scores tracks by fitted labels of one space."""

    def __init__(self, fits: Sequence[LabelFit]) -> None:
        self._directions = np.stack([fit.direction for fit in fits]).astype(np.float64)
        self._slopes = np.array([fit.slope for fit in fits])
        self._offsets = np.array([fit.offset for fit in fits])

    def scores(self, vectors: Matrix) -> Floats:
        """Scores in 0..1, shape (n, labels), of track vectors (n, dim) of any length but zero."""
        logits = units(vectors) @ self._directions.T * self._slopes + self._offsets
        return _logistic(logits)


class Calibrator:
    """Measures labels on the vectors of a library in one space, page by page.

    Memory is bounded: at most twice ``SAMPLE`` tracks are kept, each with one number per text. The
    same tracks give the same fits, in whatever order and pages they come.
    """

    def __init__(self, labels: Matrix, background: Matrix) -> None:
        """Begin.

        Args:
            labels: Vectors of the labels, (n, dim), of length 1.
            background: Vectors of the background texts, (k, dim), of length 1, k >= 1.
        """
        mean = background.astype(np.float64).mean(axis=0)
        self._labels = labels.astype(np.float64) - mean
        self._texts = np.concatenate([self._labels, background.astype(np.float64) - mean]).T
        self._keys: list[NDArray[np.uint64]] = []
        self._rows: list[Matrix] = []
        self._held = 0
        self.tracks = 0

    def add(self, track_ids: Sequence[str], vectors: Matrix) -> None:
        """Take a page of track vectors (n, dim), none of them zero."""
        self._rows.append((units(vectors) @ self._texts).astype(np.float32))
        self._keys.append(np.array([_key(track_id) for track_id in track_ids], dtype=np.uint64))
        self.tracks += len(vectors)
        self._held += len(vectors)
        if self._held > 2 * SAMPLE:
            self._thin()

    def fits(self) -> tuple[LabelFit, ...]:
        """What the tracks say about each label, in order; they must be two at least."""
        evidence = self._thin().astype(np.float64)
        count = len(self._labels)
        noise = float(np.median([_deviation(column) for column in evidence[:, count:].T]))
        found = []
        for direction, values in zip(self._labels, evidence[:, :count].T, strict=True):
            slope, offset, share = _measure(values, noise)
            fit = LabelFit(direction.astype(np.float32), slope, offset, share, self.tracks)
            found.append(fit)
        return tuple(found)

    def _thin(self) -> Matrix:
        keys, rows = np.concatenate(self._keys), np.concatenate(self._rows)
        # Ordered by key, so that sums do not depend on the order of the pages.
        kept = np.argsort(keys, kind="stable")[:SAMPLE]
        self._keys, self._rows, self._held = [keys[kept]], [rows[kept]], len(kept)
        return self._rows[0]


def units(vectors: NDArray[np.floating]) -> Floats:
    """The rows (n, dim) at length 1."""
    wide = vectors.astype(np.float64)
    scaled: Floats = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return scaled


def _measure(values: Floats, noise: float) -> tuple[float, float, float | None]:
    """Slope, offset and share of the group of one label."""
    count = len(values)
    median = float(np.median(values))
    scale = max(_deviation(values), noise / 2, _TINY)
    # Fewer tracks than make a group, such as noise or speech far below, must not pose as one.
    least = float(np.quantile(values, 1 - _SHARE)) - _TAILS[0] * scale
    inner = np.clip(values, least, median + _TAILS[1] * scale)
    weights, edges = np.histogram(inner, bins=min(_BINS, max(_BINS // 16, 4 * count)))
    held = weights > 0
    points, sizes = ((edges[1:] + edges[:-1]) / 2)[held], weights[held].astype(np.float64)
    best = _apart(points, sizes, noise, np.sort(values)) if len(points) > 2 else None
    if best is not None:
        share, low, high, variance = best
        slope = (high - low) / variance
        offset = math.log(share / (1 - share)) - slope * (low + high) / 2
        return slope, offset, share
    slope = _ASSUMED_GAP / (scale * (1 + _UNSURE / count))
    odds = math.log(_ASSUMED_SHARE / (1 - _ASSUMED_SHARE))
    return slope, odds - _ASSUMED_GAP**2 / 2 - slope * median, None


def _apart(
    points: Floats, sizes: Floats, noise: float, ordered: Floats
) -> tuple[float, float, float, float] | None:
    """Share, means and variance of the two groups that fit best, or None if there are none.

    Expectation maximisation (Dempster, Laird and Rubin 1977) from several splits at once: the best
    fit may be a group that does not count, such as a long lower tail.
    """
    count = float(sizes.sum())
    # Bins cannot tell widths below their own apart.
    least = float(np.min(np.diff(points))) ** 2
    above = count - np.cumsum(sizes) + sizes
    upper = (above[np.newaxis] <= np.maximum(_LEAST, _STARTS * count)[:, np.newaxis]).astype(float)
    upper[:, -1] = 1.0
    before = np.full(len(_STARTS), -np.inf)
    for _ in range(_ROUNDS):
        many = np.clip(upper @ sizes, _TINY, count - _TINY)
        high = upper @ (sizes * points) / many
        low = (1 - upper) @ (sizes * points) / (count - many)
        from_high = (points - high[:, np.newaxis]) ** 2
        from_low = (points - low[:, np.newaxis]) ** 2
        spread = (upper * from_high + (1 - upper) * from_low) @ sizes / count
        variance = np.maximum(spread, least)
        share = many / count
        odds = np.log(share / (1 - share))[:, np.newaxis]
        twice = 2 * variance[:, np.newaxis]
        difference = odds + (from_low - from_high) / twice
        upper = _logistic(difference)
        # ln of the mixture density, by way of the lower group's.
        each = np.log1p(-share)[:, np.newaxis] - from_low / twice + np.logaddexp(0, difference)
        likelihood = each @ sizes - count / 2 * np.log(2 * np.pi * variance)
        if np.max(np.abs(likelihood - before)) < _CLOSE * count:
            break
        before = likelihood
    mean = float(points @ sizes) / count
    single = max(float((points - mean) ** 2 @ sizes) / count, least)
    alone = -count / 2 * (math.log(2 * math.pi * single) + 1)
    gain = 2 * (likelihood - alone) - 2 * math.log(count)
    gap, width = high - low, np.sqrt(variance)
    fitting = (gain >= _GAIN + _CHANCE / count) & (gap >= np.maximum(_GAP * width, noise))
    midway = _near(ordered, (low + high) / 2, width)
    fitting &= (share <= 0.5) | (_near(ordered, low, width) > midway)
    fitting &= (share <= _SHARE) & (many >= _LEAST)
    if not fitting.any():
        return None
    best = int(np.argmax(np.where(fitting, likelihood, -np.inf)))
    return float(share[best]), float(low[best]), float(high[best]), float(variance[best])


def _near(ordered: Floats, centres: Floats, widths: Floats) -> NDArray[np.int64]:
    """How many of the values lie within half a width of each centre."""
    ends = [np.searchsorted(ordered, centres + side * widths / 2) for side in (-1.0, 1.0)]
    return ends[1] - ends[0]


def _deviation(values: Floats) -> float:
    return _MAD * float(np.median(np.abs(values - np.median(values))))


def _logistic(logits: Floats) -> Floats:
    scores: Floats = 1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0)))
    return scores


def _key(track_id: str) -> np.uint64:
    digest = hashlib.blake2b(track_id.encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest))
