"""What a decoder backend gives: raw blocks of one file, unchecked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float32]


class DecodeError(Exception):
    """The library underneath cannot make sound of the bytes; never leaves this package."""


class Decoder(Protocol):
    """One open file in one decoder library.

    Attributes:
        sample_rate: Hz.
        channels: Channels.
        promised: Frames that the header promises, or None if it does not say.
        damaged: True once something had to be skipped.
    """

    sample_rate: int
    channels: int
    promised: int | None
    damaged: bool

    def read(self) -> Iterator[Block]:
        """Blocks of shape (frames, channels), of any size up to the block size.

        Raises:
            DecodeError: If decoding cannot go on; blocks given so far are good.
        """
        ...

    def close(self) -> None:
        """Release the file; idempotent."""
        ...
