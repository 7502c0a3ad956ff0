"""Streams of sound cut to size: mono, resampled, in windows, at constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

from retrieval.audio.decoding import Block

Mono = NDArray[np.float32]


def to_mono(block: Block) -> Mono:
    """The mean of the channels: (frames, channels) to (frames,)."""
    if block.shape[1] == 1:
        return block[:, 0]
    # Channel by channel: NumPy's mean over an axis of two takes ten times as long.
    total = block[:, 0] + block[:, 1]
    for channel in range(2, block.shape[1]):
        total += block[:, channel]
    total /= block.shape[1]
    return total


class Resampler:
    """A mono stream brought to another rate by libsoxr (HQ), piece by piece."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self._stream = (
            None
            if source_rate == target_rate
            else soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality="HQ")
        )

    def push(self, samples: Mono, *, last: bool = False) -> Mono:
        """The output that is ready after these samples; with ``last`` set, all the rest."""
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(np.ascontiguousarray(samples), last=last))


class WindowShape(Protocol):
    """Length, hop and minimum of windows in seconds (``retrieval.encoders.protocol.Windowing``)."""

    @property
    def length(self) -> float:
        """Seconds."""
        ...

    @property
    def hop(self) -> float:
        """Seconds."""
        ...

    @property
    def minimum(self) -> float:
        """Seconds."""
        ...

    @property
    def align_last(self) -> bool:
        """Whether a shorter last window moves back to full length."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One window of a mono stream: start and end in seconds, and its samples."""

    start: float
    end: float
    samples: Mono


class WindowCutter:
    """Cuts a mono stream into windows that start at 0, hop, 2*hop, … and never differ.

    The window that reaches the end of the sound is the last one; if it is shorter than the rest it
    is kept only if it is at least ``minimum`` long, or is the only one; with ``align_last`` it then
    starts early enough to be as long as the rest, if the sound is. At most two windows and one
    block are held.
    """

    def __init__(self, sample_rate: int, shape: WindowShape) -> None:
        self._rate = sample_rate
        self._length = max(1, round(shape.length * sample_rate))
        self._hop = max(1, round(shape.hop * sample_rate))
        self._minimum = round(shape.minimum * sample_rate)
        self._past: Mono | None = np.empty(0, dtype=np.float32) if shape.align_last else None
        self._buffer: Mono = np.empty(0, dtype=np.float32)
        self._gap = 0
        self._start = 0
        self._covered = 0

    def push(self, samples: Mono) -> Iterator[Window]:
        """The windows that are whole after these samples."""
        if self._past is not None:
            self._past = np.concatenate([self._past, samples])[-self._length :]
        skipped = min(self._gap, len(samples))
        self._gap -= skipped
        buffer = np.concatenate([self._buffer, samples[skipped:]])
        offset = 0
        while offset + self._length <= len(buffer):
            yield self._window(buffer[offset : offset + self._length])
            offset += self._hop
        # With a hop beyond the length, part of the gap may not have arrived yet.
        self._gap += max(0, offset - len(buffer))
        self._buffer = buffer[offset:].copy()

    def finish(self) -> Iterator[Window]:
        """The last window, if there is one to keep."""
        rest, self._buffer = self._buffer, self._buffer[:0]
        new = self._start + len(rest) > self._covered
        if len(rest) and new and (self._start == 0 or len(rest) >= self._minimum):
            if self._past is not None and len(rest) < len(self._past):
                self._start += len(rest) - len(self._past)
                rest = self._past
            yield self._window(rest)

    def _window(self, samples: Mono) -> Window:
        start = self._start
        self._start += self._hop
        self._covered = start + len(samples)
        return Window(start / self._rate, self._covered / self._rate, samples)
