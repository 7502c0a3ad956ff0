"""Transitions that take their time: dissolves, and fades through black or another plain colour.

Dissolves are found by twin comparison (Zhang, Kankanhalli and Smoliar 1993): where picture after
picture differs by a little more than usual, once motion and exposure are undone, the pictures at
both ends are compared. They must differ in structure, so that nothing that covers the picture for a
while counts; and since the variances of unrelated pictures add up, the middle of a dissolve has
half of what the ends have on average (Alattar 1993), but that of a whip pan has all of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.video.flow import Grey, optical_flow

_CONTRAST = 0.02
"""Added to a picture's deviation of brightness: noise is no structure."""
_USUAL = 16
"""Differences (two seconds of them) that say what is usual."""
_RISE, _SHARE = 0.02, 0.5
"""What a difference must exceed the usual by, absolutely and as a share of it."""
_PEAK = 0.3
"""And as a share of what the largest of the same rise exceeds it by: what follows may move more."""
_BUSY = 0.1
"""Usual difference beyond which a dissolve could not be told."""
_FEWEST = 3
_SHORTEST, _LONGEST = 0.4, 2.4
"""Seconds from the last picture before a dissolve to the first one after it."""
_CHANGED = 0.42
"""Difference of structure of both ends; that of unrelated pictures is 0.45 to 0.85."""
_MIXED = 1.45
"""Variance in the middle over a quarter of the sum at the ends: 0.5 to 1.4 in dissolves."""
_FLAT = 0.012
"""Deviation of brightness below which a picture is of one colour."""
_RAMP = 1.5
"""Seconds that one half of a fade may take."""
_CLIMB = 1.02
_NEAR = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    time: float
    grey: Grey
    deviation: float


@dataclass(slots=True)
class _Fade:
    """A stretch of one colour.

    Attributes:
        before: The last whole picture before it; None if there was none, or it was cut off.
        first: Seconds where it begins.
        last: Seconds where it ends.
        climb: Pictures behind it for as long as they gain contrast.
    """

    before: _Seen | None
    first: float
    last: float
    climb: list[_Seen]


class TransitionFinder:
    """Finds gradual transitions in pictures shown to it in order, about eight per second."""

    def __init__(self) -> None:
        self._recent: deque[_Seen] = deque(maxlen=round(_LONGEST * 16))
        self._usual: deque[float] = deque(maxlen=_USUAL)
        self._run: list[_Seen] = []
        self._steps: list[float] = []
        self._calm = 0
        self._fade: _Fade | None = None
        self._dip: float | None = None
        # First, middle, last moment of each dissolve; spans in which no cut is one; middles.
        self._dissolves: list[tuple[float, float, float]] = []
        self._ramps: list[tuple[float, float]] = []
        self._fades: list[float] = []

    def glance(self, time: float, grey: Grey) -> None:
        """See a picture between those that are shown: a fade may touch black for a moment only."""
        if self._dip is None and float(grey.std()) < _FLAT:
            self._dip = time

    def show(self, time: float, grey: Grey) -> None:
        """Take the next picture: brightness 0..1."""
        deviation = float(grey.std())
        # Exposure is undone: mean and deviation are made the same.
        level = (grey - grey.mean()) * np.float32(0.2 / (deviation + _CONTRAST)) + np.float32(0.5)
        seen = _Seen(time, np.asarray(level, dtype=np.float32), deviation)
        if self._recent:
            self._compare(seen)
        self._follow(seen)
        self._dip = None
        self._recent.append(seen)

    def with_cuts(self, cuts: Iterable[float]) -> NDArray[np.float64]:
        """Hard cuts less those that were parts of fades, and the middles of gradual transitions."""
        self._leave()
        hard = [cut for cut in cuts if not any(a <= cut <= b for a, b in self._ramps)]
        soft = [
            middle
            for first, middle, last in self._dissolves
            if not any(first <= cut <= last for cut in [*hard, *self._fades])
        ]
        return np.unique(np.asarray([*hard, *soft, *self._fades], dtype=np.float64))

    def _compare(self, seen: _Seen) -> None:
        step = _difference(self._recent[-1], seen)
        usual = float(np.median(self._usual)) if self._usual else step
        peak = max(self._steps, default=usual)
        rises = step > usual + max(_RISE, _SHARE * usual, _PEAK * (peak - usual))
        if not self._run and rises:
            self._run, self._steps = list(self._recent)[-2:], [0.0] * min(1, len(self._recent) - 1)
        if not self._run:
            self._usual.append(step)
            return
        self._run.append(seen)
        self._steps.append(step)
        self._calm = 0 if rises else self._calm + 1
        too_long = seen.time - self._run[0].time > _LONGEST + 2 * _NEAR
        if self._calm == 2 or too_long:
            if not too_long:
                self._settle(usual)
            self._usual.extend(self._steps[1:] if too_long else self._steps[-2:])
            self._run, self._steps, self._calm = [], [], 0

    def _settle(self, usual: float) -> None:
        """Judge a run of pictures, the last two of which are as usual again."""
        *run, last, _ = self._run
        first, between = run[0], run[1:]
        # A step leads to the picture behind it.
        rises = np.asarray(self._steps[: len(between)]) - usual
        if np.count_nonzero(rises > 0.0) < _FEWEST or usual > _BUSY:
            return
        weights = np.maximum(rises, 1e-3)
        middle = between[round(float(np.average(np.arange(len(between)), weights=weights)))]
        ends = 0.25 * (first.deviation**2 + last.deviation**2)
        if (
            _SHORTEST <= last.time - first.time <= _LONGEST
            and min(one.deviation for one in (first, *between, last)) > _FLAT
            and min(first.deviation, last.deviation) > _CONTRAST
            and middle.deviation**2 <= _MIXED * ends
            and _difference(first, last) >= _CHANGED
        ):
            self._dissolves.append((first.time, middle.time, last.time))

    def _follow(self, seen: _Seen) -> None:
        fade = self._fade
        if seen.deviation < _FLAT:
            if fade is None or fade.climb:
                self._leave()
                before = self._falling(seen)
                self._fade = _Fade(before, seen.time, seen.time, [])
            else:
                fade.last = seen.time
        elif fade is None:
            if self._dip is not None:
                self._fade = _Fade(self._falling(seen), self._dip, self._dip, [seen])
        else:
            top = fade.climb[-1].deviation if fade.climb else 0.0
            if seen.deviation > _CLIMB * top and seen.time - fade.last <= _RAMP:
                fade.climb.append(seen)
            else:
                self._leave()

    def _falling(self, seen: _Seen) -> _Seen | None:
        """The last picture of full contrast before one of one colour, if it went out gradually."""
        fallen: list[_Seen] = []
        for one in reversed(self._recent):
            if fallen and one.deviation < _CLIMB * fallen[-1].deviation:
                break
            if one.deviation < _FLAT or seen.time - one.time > _RAMP:
                break
            fallen.append(one)
        return fallen[-1] if len(fallen) > 1 else None

    def _leave(self) -> None:
        """Judge a stretch of one colour whose neighbours are known."""
        fade, self._fade = self._fade, None
        if fade is None:
            return
        rises = len(fade.climb) > 1
        if fade.before is not None:
            self._ramps.append((fade.before.time, fade.first + _NEAR))
        if rises:
            self._ramps.append((fade.last - _NEAR, fade.climb[-1].time))
        if fade.before is None or not rises:
            return
        if _difference(fade.before, fade.climb[-1]) >= _CHANGED:
            self._fades.append(0.5 * (fade.first + fade.last))


def _difference(before: _Seen, after: _Seen) -> float:
    """How unlike two pictures are in structure, in deviations: 0 (none is) to about 1."""
    raw = float(np.abs(after.grey - before.grey).mean())
    return min(raw, optical_flow(before.grey, after.grey).unexplained) / 0.2
