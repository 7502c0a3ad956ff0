"""Sound to read, and sound in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from retrieval.audio.decoding import Block
from retrieval.audio.limits import BLOCK_SAMPLES
from retrieval.core.closing import Closing


class AudioReader(Protocol):
    """Sound to read once, block by block; a context manager."""

    @property
    def name(self) -> str:
        """What errors call this sound: the path, or ``audio`` for bytes."""
        ...

    @property
    def sample_rate(self) -> int:
        """Hz."""
        ...

    @property
    def channels(self) -> int:
        """Channels."""
        ...

    @property
    def format(self) -> str:
        """One of ``retrieval.audio.FORMATS``."""
        ...

    @property
    def truncated(self) -> bool:
        """Whether parts of the file were missing or damaged; final once ``blocks`` has ended."""
        ...

    def blocks(self) -> Iterator[Block]:
        """Float32 blocks of shape (frames, channels), finite, full scale 1, bounded in size.

        Raises:
            AudioError: While decoding: AUDIO_TOO_LONG, AUDIO_NOT_FINITE, AUDIO_UNREADABLE; at the
                end: AUDIO_EMPTY, AUDIO_TOO_SHORT, or AUDIO_UNREADABLE if the file is damaged and
                less than a second of it could be decoded.
        """
        ...

    def close(self) -> None:
        """Release the file; idempotent."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


@dataclass(frozen=True, slots=True, eq=False)
class Sound(Closing):
    """Decoded sound in memory; an ``AudioReader`` that can be read again.

    Attributes:
        samples: Float32 of shape (frames, channels), finite.
        sample_rate: Hz.
        format: Container it came in.
        name: What errors call it.
        truncated: Whether parts of the file were missing or damaged.
    """

    samples: Block
    sample_rate: int
    format: str
    name: str = "audio"
    truncated: bool = False

    @property
    def channels(self) -> int:
        """Channels."""
        return int(self.samples.shape[1])

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate

    def blocks(self) -> Iterator[Block]:
        """The samples in blocks of the size every reader uses."""
        size = max(1, BLOCK_SAMPLES // self.channels)
        for start in range(0, len(self.samples), size):
            yield self.samples[start : start + size]

    def close(self) -> None:
        """Nothing to release."""
