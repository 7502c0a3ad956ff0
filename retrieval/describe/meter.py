"""Levels of a whole track, of whatever length, while it is being decoded."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import av
import numpy as np
import soxr
from av.filter import Graph
from numpy.typing import NDArray

from retrieval.audio.decoding import Block
from retrieval.describe.protocol import Levels

_FRAMES_PER_SECOND = 100
_OVERSAMPLED = 176_400
"""Hz that samples are brought to for the true peak: four times 44,100, as BS.1770-5 asks."""
_MOMENTARY, _SHORT_TERM = 4, 30
"""Tenths of a second that one momentary or short-term value looks back on (EBU Tech 3341)."""
_SENSIBLE = 200.0
"""LUFS that no sound within the decoder's bounds is above, nor the filter's silence below."""
_LAYOUTS = {1: "mono", 2: "stereo"}

Loudnesses = NDArray[np.float64]


class Meter:
    """Takes every block of a track; ``finish`` tells its levels.

    Momentary and short-term loudness are those of FFmpeg's ``ebur128`` filter (ITU-R BS.1770); the
    gates over them are ours, because the filter also counts the windows that began before the
    sound did.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        """Set up for one track.

        Args:
            sample_rate: Hz, of the blocks.
            channels: Of the blocks; more than two count as in no particular place.
        """
        self._rate = sample_rate
        self._layout = _LAYOUTS.get(channels, f"{channels} channels")
        self._size = max(1, round(sample_rate / _FRAMES_PER_SECOND))
        self._rest = np.empty((0, channels), dtype=np.float32)
        self._peaks: list[NDArray[np.float32]] = []
        self._powers: list[NDArray[np.float32]] = []
        self._loudnesses: list[tuple[float, float]] = []
        self._given = 0
        self._true_peak = 0.0
        factor = -(-_OVERSAMPLED // sample_rate)
        self._oversampler = (
            soxr.ResampleStream(
                sample_rate, factor * sample_rate, channels, dtype="float32", quality="HQ"
            )
            if factor > 1
            else None
        )
        graph = Graph()
        self._source = graph.add_abuffer(
            sample_rate=sample_rate,
            format="flt",
            layout=self._layout,
            time_base=Fraction(1, sample_rate),
        )
        loudness = graph.add("ebur128", "metadata=1")
        self._sink = graph.add("abuffersink")
        self._source.link_to(loudness)
        loudness.link_to(self._sink)
        graph.configure()
        self._graph = graph

    def push(self, block: Block) -> None:
        """Take the next samples, shape (frames, channels)."""
        self._measure(block)
        self._oversample(block)
        joined = np.concatenate([self._rest, block])
        whole = len(joined) - len(joined) % self._size
        self._cut(joined[:whole])
        self._rest = joined[whole:]

    def finish(self) -> Levels:
        """The levels, now that the track has ended."""
        if len(self._rest):
            self._cut(self._rest)
        self._oversample(self._rest[:0], last=True)
        nothing = np.empty(0, dtype=np.float32)
        peak = np.concatenate([nothing, *self._peaks])
        found = np.array(self._loudnesses, dtype=np.float64).reshape(-1, 2)
        # At rates far below those of music the filter has no answer, or a senseless one.
        momentary, short_term = np.where(np.abs(found) < _SENSIBLE, found, -np.inf).T
        return Levels(
            rate=self._rate / self._size,
            peak=peak,
            power=np.concatenate([nothing, *self._powers]),
            momentary=np.maximum(momentary, -120.0).astype(np.float32),
            integrated=_integrated(momentary[_MOMENTARY - 1 :]),
            range=_range(short_term[_SHORT_TERM - 1 :]),
            true_peak=max(self._true_peak, float(peak.max(initial=0.0))),
        )

    def _measure(self, block: Block) -> None:
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block).reshape(1, -1), format="flt", layout=self._layout
        )
        frame.sample_rate, frame.pts = self._rate, self._given
        self._given += len(block)
        self._source.push(frame)
        with contextlib.suppress(BlockingIOError, EOFError):
            while True:
                told = self._sink.pull().metadata
                if "lavfi.r128.M" in told:
                    values = float(told["lavfi.r128.M"]), float(told["lavfi.r128.S"])
                    self._loudnesses.append(values)

    def _oversample(self, block: Block, *, last: bool = False) -> None:
        if self._oversampler is None:
            return
        between = self._oversampler.resample_chunk(np.ascontiguousarray(block), last=last)
        if between.size:
            self._true_peak = max(self._true_peak, float(between.max()), -float(between.min()))

    def _cut(self, samples: Block) -> None:
        starts = np.arange(0, len(samples), self._size)
        if not len(starts):
            return
        lengths = np.diff(np.append(starts, len(samples))) * samples.shape[1]
        loudest = np.maximum(samples.max(axis=1), -samples.min(axis=1))
        squares = np.einsum("ij,ij->i", samples, samples)
        self._peaks.append(np.maximum.reduceat(loudest, starts))
        powers = np.add.reduceat(squares.astype(np.float64), starts) / lengths
        self._powers.append(powers.astype(np.float32))


def _integrated(momentary: Loudnesses) -> float | None:
    """Mean power over both gates of BS.1770-5: -70 LUFS, and 10 LU below the mean above that."""
    heard = momentary[momentary >= -70.0]
    if not len(heard):
        return None
    return _mean(heard[heard >= _mean(heard) - 10.0])


def _range(short_term: Loudnesses) -> float | None:
    """From the 10th to the 95th percentile above the gates of EBU Tech 3342: -70 and -20 LU."""
    heard = short_term[short_term >= -70.0]
    if not len(heard):
        return None
    low, high = np.percentile(heard[heard >= _mean(heard) - 20.0], (10, 95))
    return float(high - low)


def _mean(loudnesses: Loudnesses) -> float:
    return float(10.0 * np.log10(np.mean(10.0 ** (loudnesses / 10.0))))
