"""Decoding by libsndfile: WAV, AIFF, Ogg Vorbis, Ogg FLAC."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import soundfile

from retrieval.audio.decoding import Block, DecodeError
from retrieval.audio.limits import BLOCK_SAMPLES


class SoundFileDecoder:
    """A ``Decoder`` over an open binary file or bytes."""

    def __init__(self, stream: BinaryIO) -> None:
        # A real file goes in by descriptor: no Python call per read, no trouble with odd names.
        source = stream if isinstance(stream, io.BytesIO) else stream.fileno()
        if isinstance(source, int):
            # Python's own position is of its buffer; libsndfile starts at the descriptor's.
            os.lseek(source, 0, os.SEEK_SET)
        try:
            self._file = soundfile.SoundFile(source, closefd=False)
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            raise DecodeError(str(error)) from error
        self._stream = stream
        self.sample_rate = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        frames = int(self._file.frames)
        self.promised: int | None = frames if 0 <= frames < 2**62 else None
        self.damaged = False

    def read(self) -> Iterator[Block]:
        """Blocks until the file ends or breaks."""
        size = max(1, BLOCK_SAMPLES // self.channels)
        while True:
            block = np.empty((size, self.channels), dtype=np.float32)
            try:
                frames = int(self._file.buffer_read_into(block, dtype="float32"))
            except (soundfile.SoundFileError, RuntimeError) as error:
                raise DecodeError(str(error)) from error
            if frames:
                yield block[:frames]
            if frames < size:
                return

    def close(self) -> None:
        """Release the file."""
        self._file.close()
        self._stream.close()
