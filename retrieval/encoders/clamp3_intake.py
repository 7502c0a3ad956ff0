"""What CLAMP3 hears of a track: 24 kHz, normalised over the whole of it, in windows of 5 s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.audio import SILENCE_PEAK, WindowCutter
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

    The samples are normalised, and never padded: MERT's first layer normalises over time.
    """

    samples: NDArray[np.float32]
    audible: bool


class Clamp3Intake:
    """One track on its way to MERT; the ``TrackIntake`` of CLAMP3.

    Holds the track's windows until its end, 96 kB for each second, since none can be normalised
    before the mean and the variance of all are known.
    """

    def __init__(self, source_rate: int) -> None:
        """Start a track.

        Args:
            source_rate: Hz, of the samples to come.
        """
        self._resampler = SincResampler(source_rate, SAMPLE_RATE)
        self._cutter = WindowCutter(SAMPLE_RATE, WINDOWING)
        self._windows: list[tuple[float, float, NDArray[np.float32]]] = []
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def push(self, samples: NDArray[np.float32]) -> None:
        """Take the next mono samples."""
        self._take(self._resampler.push(samples))

    def finish(self, duration: float) -> Sequence[PreparedWindow]:
        """Normalised windows with their spans; a last one of less than a second is left out.

        A sound of less than 17 ms, too short for one frame, is repeated until it is long enough.
        """
        self._take(self._resampler.push(np.empty(0, dtype=np.float32), last=True))
        self._windows.extend((w.start, w.end, w.samples.copy()) for w in self._cutter.finish())
        mean = self._sum / self._count
        variance = max(0.0, self._squares / self._count - mean * mean)
        scale = 1.0 / np.sqrt(variance + EPSILON)
        found = []
        for start, end, heard in self._windows:
            samples = heard if len(heard) >= _SHORTEST else np.resize(heard, _SHORTEST)
            audible = bool(np.abs(samples).max(initial=0.0) > SILENCE_PEAK)
            # In place, so that a long track is held once.
            np.subtract(samples, np.float32(mean), out=samples)
            np.multiply(samples, np.float32(scale), out=samples)
            # The resampler rounds the length up; no span may pass the end of the track.
            span = Span(start, min(end, duration))
            found.append(PreparedWindow(span, MertWindow(samples, audible)))
        self._windows = []
        return found

    def _take(self, samples: NDArray[np.float32]) -> None:
        wide = samples.astype(np.float64)
        self._count += len(wide)
        self._sum += float(wide.sum())
        self._squares += float(wide @ wide)
        # Copies, because a window may be a view of the caller's block.
        self._windows.extend((w.start, w.end, w.samples.copy()) for w in self._cutter.push(samples))


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
