"""How much may be under way between the first stage and the last."""

from __future__ import annotations

from dataclasses import dataclass

from indexer.encoding import Encoding
from indexer.reading import Reading
from indexer.writing import Writing

_MEMORY = 256 * 1024**2
_SPOOLED = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Room:
    """Bounds on what is decoded and not yet written.

    Attributes:
        files: At once.
        memory: Bytes of prepared sound.
        file: Bytes that one file may bring in.
    """

    files: int
    memory: int
    file: int

    @classmethod
    def of(cls, *, workers: int, batch: int, file: int) -> Room:
        """Enough to keep the stages busy.

        Args:
            workers: Files that are decoded at once.
            batch: Recordings that are written at once.
            file: Bytes of prepared sound that one file may hold in memory.
        """
        return cls(batch + 2 * workers, max(_MEMORY, 2 * workers * file), file)

    def for_another(self, reading: Reading, encoding: Encoding, writing: Writing) -> bool:
        """Whether one more file may be begun."""
        under_way = reading.at_work + encoding.tracks + writing.recordings
        memory = encoding.held + (reading.at_work + 1) * self.file
        return (
            under_way < self.files and memory <= self.memory and encoding.spooled < _SPOOLED
        ) or not under_way
