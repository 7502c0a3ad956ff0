"""From decoded blocks to the ``Sound`` that descriptors hear, in bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.audio import AudioReader, Resampler, to_mono
from retrieval.audio.decoding import Block
from retrieval.describe.meter import Meter
from retrieval.describe.protocol import LONGEST, RATE, Attributes, Sound


class Intake:
    """One track on its way; about 100 MB at most, however long it is."""

    sample_rate = RATE

    def __init__(self, sample_rate: int, channels: int) -> None:
        """Start one track.

        Args:
            sample_rate: Hz, of the file.
            channels: Of the file.
        """
        self._meter = Meter(sample_rate, channels)
        self._rate = sample_rate
        self._frames = 0
        self._kept: list[NDArray[np.float32]] = []
        self._room = int(LONGEST * RATE)

    def push(self, block: Block, mono: NDArray[np.float32]) -> None:
        """Take the next samples.

        Args:
            block: As decoded, shape (frames, channels).
            mono: What the resampler to ``RATE`` has ready of them, shape (n,).
        """
        if len(block):
            self._meter.push(block)
            self._frames += len(block)
        kept = mono[: self._room]
        if len(kept):
            # A part of a block, however small, would keep all of it in memory.
            self._kept.append(kept if len(kept) == len(mono) else kept.copy())
            self._room -= len(kept)

    def finish(self, attributes: Attributes | None = None) -> Sound:
        """The sound, now that the track has ended.

        Args:
            attributes: What was heard in it, if anybody told.
        """
        samples = np.concatenate([np.empty(0, dtype=np.float32), *self._kept])
        self._kept.clear()
        duration = self._frames / self._rate
        # The resampler rounds up.
        return Sound(samples[: round(duration * RATE)], duration, self._meter.finish(), attributes)


def hear(reader: AudioReader) -> Sound:
    """One track as descriptors hear it.

    Args:
        reader: Read to its end; not closed.

    Raises:
        AudioError: As ``AudioReader.blocks`` does.
    """
    intake = Intake(reader.sample_rate, reader.channels)
    resampler = Resampler(reader.sample_rate, RATE)
    for block in reader.blocks():
        intake.push(block, resampler.push(to_mono(block)))
    nothing = np.empty(0, dtype=np.float32)
    intake.push(nothing.reshape(0, reader.channels), resampler.push(nothing, last=True))
    return intake.finish()
