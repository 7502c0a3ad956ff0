"""How much may be under way between the first stage and the last."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from indexer.encoding import Encoding
from indexer.reading import Reading
from indexer.writing import Writing

_MEMORY = 256 * 1024**2
_SPOOLED = 16 * 1024**3


@dataclass(frozen=True, slots=True)
class Room:
    """Bounds on what is decoded and not yet written.

    Attributes:
        files: At once.
        memory: Bytes of prepared sound.
        file: Bytes that one file may bring in.
        spool: Folder of the prepared sound of long tracks, of whose disk half is left free.
    """

    files: int
    memory: int
    file: int
    spool: Path

    @classmethod
    def of(cls, *, workers: int, batch: int, file: int, spool: Path) -> Room:
        """Enough to keep the stages busy.

        Args:
            workers: Files that are decoded at once.
            batch: Recordings that are written at once.
            file: Bytes of prepared sound that one file may hold in memory.
            spool: Where more than that goes.
        """
        return cls(batch + 2 * workers, max(_MEMORY, 2 * workers * file), file, spool)

    def for_another(self, reading: Reading, encoding: Encoding, writing: Writing) -> bool:
        """Whether one more file may be begun."""
        under_way = reading.at_work + encoding.tracks + writing.recordings
        if not under_way:
            return True
        memory = encoding.held + (reading.at_work + 1) * self.file
        return under_way < self.files and memory <= self.memory and self._on_disk(encoding.spooled)

    def _on_disk(self, spooled: int) -> bool:
        return not spooled or spooled < min(_SPOOLED, shutil.disk_usage(self.spool).free)
