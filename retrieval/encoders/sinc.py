"""Band-limited resampling by a Hann-windowed sinc, for models that were trained behind it.

The filter is that of torchaudio's default resampler (width 6, rolloff 0.99): an output sample n at
input time c = n * source / target is the sum of the inputs x[j] times

    s * sinc(t) * cos^2(pi t / 12),  t = (j - c) * s,  |t| < 6,  s = 0.99 * min(1, target / source)

Other resamplers sound the same and give other vectors.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Mono = NDArray[np.float32]

_WIDTH = 6
_ROLLOFF = 0.99
# Output samples per step, which bounds the gathered taps to some megabytes.
_STEP = 1 << 14


class SincResampler:
    """A mono stream brought to another rate, piece by piece; the pieces never show."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        """Design the filter, one row of taps for each phase.

        Args:
            source_rate: Hz.
            target_rate: Hz.
        """
        common = math.gcd(source_rate, target_rate)
        self._source = source_rate // common
        self._target = target_rate // common
        base = min(self._source, self._target) * _ROLLOFF
        self._half = math.ceil(_WIDTH * self._source / base)
        self._taps = _design(self._source, self._target, base, self._half)
        # Zeros before the first sample stand for what came before it.
        self._buffer: Mono = np.zeros(self._half, dtype=np.float32)
        self._begin = -self._half
        self._received = 0
        self._made = 0

    def push(self, samples: Mono, *, last: bool = False) -> Mono:
        """The output that is ready after these samples; with ``last`` set, all the rest."""
        if self._source == self._target:
            return samples
        self._received += len(samples)
        width = self._taps.shape[1]
        padding = np.zeros(width + self._source if last else 0, dtype=np.float32)
        self._buffer = np.concatenate([self._buffer, samples, padding])
        if last:
            end = -(-self._received * self._target // self._source)
        else:
            # Output n reads from n * source // target - half on.
            room = self._begin + len(self._buffer) - width + self._half
            end = max(self._made, -(-(room + 1) * self._target // self._source))
        pieces = [
            self._make(start, min(start + _STEP, end)) for start in range(self._made, end, _STEP)
        ]
        self._made = end
        used = max(0, end * self._source // self._target - self._half - self._begin)
        self._buffer = self._buffer[used:]
        self._begin += used
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.float32)

    def _make(self, start: int, end: int) -> Mono:
        numbers = np.arange(start, end, dtype=np.int64)
        first = numbers * self._source // self._target - self._half - self._begin
        windows = np.lib.stride_tricks.sliding_window_view(self._buffer, self._taps.shape[1])
        taps = self._taps[numbers % self._target]
        return np.asarray(np.einsum("nk,nk->n", windows[first], taps))


def _design(source: int, target: int, base: float, half: int) -> Mono:
    """Taps of shape (target, 2 * half + 2); those of phase p start half before its floor."""
    phase = np.arange(target, dtype=np.int64)[:, None]
    offset = np.arange(2 * half + 2, dtype=np.int64)[None, :] - half
    inputs = phase * source // target + offset
    t = (inputs / source - phase / target) * base
    inside = np.abs(t) < _WIDTH
    window = np.where(inside, np.cos(t * (math.pi / _WIDTH / 2)) ** 2, 0.0)
    return np.asarray(np.sinc(t) * window * (base / source), dtype=np.float32)
