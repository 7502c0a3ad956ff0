"""Optical flow between two small grey pictures, in NumPy alone.

Lucas and Kanade's method on a pyramid (Bouguet 2000), dense, started from the shift of the whole
picture (phase correlation, Kuglin and Hines 1975) wherever that explains a place better than rest:
so a fast pan is followed, and what stands still stays at rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]

_SMALLEST = 10
_WINDOW = 3
_ITERATIONS = 2
# Gradients (of brightness 0..1, per pixel) weaker than this say nothing against staying put.
_GRADIENT = 0.004
_STEP = 2.0
_MARGIN = 0.002


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Motion from one picture to the next.

    Attributes:
        right: Pixels to the right, float32 of shape (height, width).
        down: Pixels downwards, float32 of shape (height, width).
        unexplained: Mean difference of brightness, 0..1, that is left once motion is undone, of
            places that stay in the picture.
    """

    right: Grey
    down: Grey
    unexplained: float

    def camera(self) -> tuple[float, float]:
        """The median motion, which is the camera's where most of the picture is at rest."""
        return float(np.median(self.right)), float(np.median(self.down))


def halved(picture: Grey) -> Grey:
    """The picture at half the size, smoothed (1 3 3 1) so that fine texture does not alias."""
    for axis in (0, 1):
        size = picture.shape[axis] // 2
        moved = np.moveaxis(
            np.pad(picture, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge"), axis, 0
        )
        outer = moved[: 2 * size : 2] + moved[3 : 2 * size + 3 : 2]
        inner = moved[1 : 2 * size + 1 : 2] + moved[2 : 2 * size + 2 : 2]
        picture = np.moveaxis(0.125 * outer + 0.375 * inner, 0, axis)
    return np.asarray(picture, dtype=np.float32)


def optical_flow(before: Grey, after: Grey) -> Flow:
    """Where the places of ``before`` have gone in ``after``.

    Args:
        before: Brightness 0..1, float32 of shape (height, width).
        after: As ``before``.
    """
    levels = [(before, after)]
    while min(levels[-1][0].shape) >= 2 * _SMALLEST:
        levels.append((halved(levels[-1][0]), halved(levels[-1][1])))
    shift = _shift(*levels[min(1, len(levels) - 1)])
    right = down = np.zeros_like(levels[-1][0])
    for first, second in reversed(levels):
        right, down = _enlarged(right, first.shape), _enlarged(down, first.shape)
        right, down = _likeliest(first, second, right, down, shift)
        right, down = _refined(first, second, right, down)
    left = np.abs(_moved(after, right, down) - before)[_staying(right, down)]
    return Flow(right, down, float(left.mean()) if left.size else 1.0)


def difference(before: Grey, after: Grey, right: float, down: float) -> float:
    """Mean difference of brightness once one motion of the whole picture is undone."""
    whole = np.full_like(before, right), np.full_like(before, down)
    left = np.abs(_moved(after, *whole) - before)[_staying(*whole)]
    return float(left.mean()) if left.size else 1.0


def _shift(before: Grey, after: Grey) -> tuple[float, float]:
    """How far the whole picture moved, to the right and down, as shares of width and height."""
    height, width = before.shape
    window = _taper(height, width)
    one = np.fft.rfft2((before - before.mean()) * window)
    two = np.fft.rfft2((after - after.mean()) * window)
    cross = two * np.conj(one)
    cross /= np.abs(cross) + 1e-4 * np.abs(cross).max() + 1e-12
    peaks = np.fft.irfft2(cross, s=(height, width))
    row, column = np.unravel_index(int(np.argmax(peaks)), peaks.shape)
    down = (row + height / 2) % height - height / 2
    right = (column + width / 2) % width - width / 2
    return float(right / width), float(down / height)


def _likeliest(
    before: Grey, after: Grey, right: Grey, down: Grey, shift: tuple[float, float]
) -> tuple[Grey, Grey]:
    """At each place what explains it best: rest, the coarser level's motion or the whole shift."""
    height, width = before.shape
    best = _boxed(np.abs(after - before)) - _MARGIN
    chosen = np.zeros_like(right), np.zeros_like(down)
    whole = np.full_like(right, shift[0] * width), np.full_like(down, shift[1] * height)
    for across, along in ((right, down), whole):
        error = _boxed(np.abs(_moved(after, across, along) - before))
        better = error < best
        best = np.where(better, error, best)
        chosen = np.where(better, across, chosen[0]), np.where(better, along, chosen[1])
    return chosen


def _refined(before: Grey, after: Grey, right: Grey, down: Grey) -> tuple[Grey, Grey]:
    across, along = _gradients(before)
    xx, xy, yy = _boxed(across * across), _boxed(across * along), _boxed(along * along)
    ridge = np.float32(_GRADIENT**2)
    xx, yy = xx + ridge, yy + ridge
    scale = 1.0 / (xx * yy - xy * xy)
    for _ in range(_ITERATIONS):
        change = _moved(after, right, down) - before
        x, y = _boxed(across * change), _boxed(along * change)
        right = right - np.clip((yy * x - xy * y) * scale, -_STEP, _STEP)
        down = down - np.clip((xx * y - xy * x) * scale, -_STEP, _STEP)
        right, down = _boxed(right), _boxed(down)
    return right, down


def _moved(picture: Grey, right: Grey, down: Grey) -> Grey:
    """The picture with every place fetched from where it has gone, between pixels linearly."""
    height, width = picture.shape
    rows, columns = _places(height, width)
    y = np.clip(rows + down, 0, height - 1.001)
    x = np.clip(columns + right, 0, width - 1.001)
    top, left = y.astype(np.int32), x.astype(np.int32)
    y -= top
    x -= left
    flat = picture.ravel()
    place = top * width + left
    upper = flat[place] * (1 - x) + flat[place + 1] * x
    place += width
    lower = flat[place] * (1 - x) + flat[place + 1] * x
    return np.asarray(upper * (1 - y) + lower * y, dtype=np.float32)


def _staying(right: Grey, down: Grey) -> NDArray[np.bool_]:
    """Places that are still in the picture after their motion."""
    height, width = right.shape
    rows, columns = _places(height, width)
    y, x = rows + down, columns + right
    inside = (y >= 0) & (y <= height - 1) & (x >= 0) & (x <= width - 1)
    return np.asarray(inside)


def _gradients(picture: Grey) -> tuple[Grey, Grey]:
    padded = np.pad(picture, 1, mode="edge")
    across = 0.5 * (padded[1:-1, 2:] - padded[1:-1, :-2])
    along = 0.5 * (padded[2:, 1:-1] - padded[:-2, 1:-1])
    return across, along


def _boxed(values: Grey) -> Grey:
    """Means over the square of 7 x 7 pixels around each place, edges repeated."""
    size = 2 * _WINDOW + 1
    padded = np.pad(values, ((_WINDOW + 1, _WINDOW), (0, 0)), mode="edge")
    sums = np.cumsum(padded, axis=0)
    rows = np.pad(sums[size:] - sums[:-size], ((0, 0), (_WINDOW + 1, _WINDOW)), mode="edge")
    sums = np.cumsum(rows, axis=1)
    return np.asarray((sums[:, size:] - sums[:, :-size]) / np.float32(size * size))


def _enlarged(values: Grey, shape: tuple[int, ...]) -> Grey:
    """Shifts of a coarser level at each place of a finer one, in its pixels."""
    if values.shape == shape:
        return values
    twice = 2.0 * values.repeat(2, axis=0).repeat(2, axis=1)
    missing = [(0, shape[axis] - twice.shape[axis]) for axis in (0, 1)]
    return np.pad(twice, missing, mode="edge").astype(np.float32)


@cache
def _places(height: int, width: int) -> tuple[Grey, Grey]:
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return rows, columns


@cache
def _taper(height: int, width: int) -> Grey:
    return np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
