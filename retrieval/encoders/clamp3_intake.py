"""What CLAMP3 hears of a track: 24 kHz, normalised over the whole of it, in windows of 5 s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.audio import SILENCE_PEAK, Window, WindowCutter
from retrieval.core.tracks import Span
from retrieval.encoders.protocol import PreparedWindow, Windowing
from retrieval.encoders.sinc import SincResampler

SAMPLE_RATE = 24_000
WINDOWING = Windowing(length=5.0, hop=5.0, minimum=1.0)
EPSILON = 1e-7
"""Added to the variance (facts of sanderwood/clamp3 and Wav2Vec2FeatureExtractor)."""
_SHORTEST = 400
"""Samples that MERT's convolutions need for one frame."""

SPAN_WINDOWS, SPAN_HOP = 6, 3
"""Windows in a segment, and between the starts of two: 30 s every 15 s."""


@dataclass(frozen=True, slots=True, eq=False)
class MertWindow:
    """One window, and whether there is sound in it.

    The samples are never padded: MERT's first layer normalises over time.
    """

    samples: NDArray[np.float32]
    audible: bool


class Clamp3Intake:
    """One track on its way to MERT; the ``TrackIntake`` of CLAMP3.

    Windows leave it as they are heard: none can be normalised before the mean and the variance of
    all are known, and a track of hours is not held until then.
    """

    def __init__(self, source_rate: int) -> None:
        """Start a track.

        Args:
            source_rate: Hz, of the samples to come.
        """
        self._resampler = SincResampler(source_rate, SAMPLE_RATE)
        self._cutter = WindowCutter(SAMPLE_RATE, WINDOWING)
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def push(self, samples: NDArray[np.float32]) -> Sequence[PreparedWindow]:
        """Take the next mono samples; the windows that are whole now, not yet normalised."""
        return self._take(self._resampler.push(samples))

    def finish(self) -> tuple[Sequence[PreparedWindow], Normalizer]:
        """The last windows, and what normalises all; a last one of less than 1 s is left out.

        A sound of less than 17 ms, too short for one frame, is repeated until it is long enough.
        """
        last = self._take(self._resampler.push(np.empty(0, dtype=np.float32), last=True))
        last.extend(_prepared(window) for window in self._cutter.finish())
        mean = self._sum / self._count
        variance = max(0.0, self._squares / self._count - mean * mean)
        scale = 1.0 / np.sqrt(variance + EPSILON)
        return last, Normalizer(float(np.float32(mean)), float(np.float32(scale)))

    def _take(self, samples: NDArray[np.float32]) -> list[PreparedWindow]:
        wide = samples.astype(np.float64)
        self._count += len(wide)
        self._sum += float(wide.sum())
        self._squares += float(wide @ wide)
        return [_prepared(window) for window in self._cutter.push(samples)]


@dataclass(frozen=True, slots=True)
class Normalizer:
    """Brings the windows of one track to its mean 0 and variance 1.

    Attributes:
        mean: To subtract, in single precision.
        scale: To multiply by, likewise.
    """

    mean: float
    scale: float

    def __call__(self, window: MertWindow) -> MertWindow:
        """The window, normalised."""
        samples = np.subtract(window.samples, np.float32(self.mean))
        np.multiply(samples, np.float32(self.scale), out=samples)
        return MertWindow(samples, window.audible)


def _prepared(window: Window) -> PreparedWindow:
    audible = bool(np.abs(window.samples).max(initial=0.0) > SILENCE_PEAK)
    # A copy in any case, because a window may be a view of the caller's block.
    samples = (
        window.samples.copy()
        if len(window.samples) >= _SHORTEST
        else np.resize(window.samples, _SHORTEST)
    )
    span = Span(window.start, window.end)
    return PreparedWindow(span, MertWindow(samples, audible), audible)


def segment_ranges(count: int) -> list[tuple[int, int]]:
    """Runs of windows, first and past the last, that make segments of a track of ``count`` >= 1.

    All are ``SPAN_WINDOWS`` long if the track is; the last one reaches its end.
    """
    if count <= SPAN_WINDOWS:
        return [(0, count)]
    starts = list(range(0, count - SPAN_WINDOWS + 1, SPAN_HOP))
    if starts[-1] + SPAN_WINDOWS < count:
        starts.append(count - SPAN_WINDOWS)
    return [(start, start + SPAN_WINDOWS) for start in starts]
