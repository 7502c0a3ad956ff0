"""Where one shot ends and the next begins.

A cut is a step that motion does not explain: two frames that differ in structure once the optical
flow between them is undone, or in colour, by much more than their neighbours do. Flashes, after
which the old picture comes back, and fades, which take their time, are no cuts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.video.flow import Grey, halved, optical_flow

_CELL = 10
_QUIET = 0.012
"""Mean difference of brightness or colour, 0..1, below which nothing is looked into."""
_CONTRAST = 0.02
_COLOUR = 0.12
_STEP = 0.25
"""What a step must reach to be a cut, where a change of the whole picture is about 0.6."""
_ABOVE = 1.5
"""How often the usual step around it a cut must reach on top of that."""
_AROUND = 0.5
_APART = 0.1
_FLASH = 4
"""Frames that a flash may last and the one before it."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What is compared of a frame.

    Attributes:
        time: Seconds.
        grey: Brightness at half the size, 0..1.
        cells: Mean RGB of its cells less their brightness.
    """

    time: float
    grey: Grey
    cells: NDArray[np.float32]


class CutFinder:
    """Finds cuts in frames that are shown to it in order."""

    def __init__(self) -> None:
        self._recent: deque[Look] = deque(maxlen=_FLASH)
        self._times: list[float] = []
        self._steps: list[float] = []

    def show(self, time: float, pixels: NDArray[np.uint8], grey: Grey) -> None:
        """Take the next frame: RGB, and its brightness 0..1."""
        look = Look(time, halved(grey), _cells(pixels))
        if self._recent:
            step = _step(self._recent[-1], look)
            if step > 0.5 * _STEP:
                step = self._unless_flash(look, _unless_exposure(self._recent[-1], look, step))
            self._times.append(time)
            self._steps.append(step)
        self._recent.append(look)

    def cuts(self) -> NDArray[np.float64]:
        """Times of the first frames of new shots, increasing; complete once all were shown."""
        times, steps = np.asarray(self._times), np.asarray(self._steps)
        found = []
        for place in np.flatnonzero(steps >= _STEP):
            near = np.abs(times - times[place]) <= _AROUND
            close = np.abs(times - times[place]) <= _APART
            near[place] = False
            usual = float(np.median(steps[near])) if near.any() else 0.0
            largest = place == np.flatnonzero(close)[np.argmax(steps[close])]
            if largest and steps[place] >= _STEP + _ABOVE * usual:
                found.append(times[place])
        return np.asarray(found, dtype=np.float64)

    def _unless_flash(self, look: Look, step: float) -> float:
        """The step, or what is left if the picture is again what it was some frames ago."""
        for back in range(2, len(self._recent) + 1):
            again = _step(self._recent[-back], look)
            if again < 0.5 * step:
                # Neither the way out nor the way back was a cut.
                self._steps[1 - back] = min(self._steps[1 - back], again)
                return again
        return step


def _step(before: Look, after: Look) -> float:
    raw = float(np.abs(after.grey - before.grey).mean())
    colour = float(np.abs(after.cells - before.cells).mean())
    if max(raw, colour) < _QUIET:
        return 0.0
    spread = 0.5 * float(before.grey.std() + after.grey.std())
    left = min(raw, optical_flow(before.grey, after.grey).unexplained)
    return left / (spread + _CONTRAST) + colour / _COLOUR


def _unless_exposure(before: Look, after: Look, step: float) -> float:
    """The step, or what is left of it where the same picture only got brighter or darker."""
    spreads = float(before.grey.std()), float(after.grey.std())
    if min(spreads) < _CONTRAST:
        return step
    gain = np.float32(spreads[0] / spreads[1])
    level = (after.grey - after.grey.mean()) * gain + before.grey.mean()
    same = Look(after.time, np.asarray(level, np.float32), after.cells * gain)
    return min(step, _step(before, same))


def _cells(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Colour without brightness, mean over cells of 10 x 10 pixels, -1..1."""
    size = max(1, min(_CELL, *pixels.shape[:2]))
    height, width = pixels.shape[0] // size, pixels.shape[1] // size
    whole = pixels[: height * size, : width * size]
    sums = whole.reshape(height, size, width, size, 3).sum(axis=(1, 3), dtype=np.uint32)
    means = sums / np.float32(255 * size * size)
    return np.asarray(means - means.mean(axis=2, keepdims=True), dtype=np.float32)
