"""Features of one track: a few in memory, the many of a long track in a private file.

One process writes them while it decodes; another, to which the spool is pickled, reads them back in
any order. What is read is to the bit what was written.
"""

from __future__ import annotations

import contextlib
import os
import pickle
from array import array
from pathlib import Path
from typing import Any, BinaryIO

from retrieval.core.errors import BusyError


class Spool:
    """A growing list of picklable things, written once and then read.

    Attributes:
        nbytes: Size of all of them, in bytes.
        on_disk: Whether they outgrew memory.
    """

    def __init__(self, path: Path, *, budget: int) -> None:
        """Begin in memory.

        Args:
            path: The file to make when there is more than the budget; nothing may be there.
            budget: Bytes to hold in memory at most.
        """
        self._path = path
        self._budget = budget
        self._held: list[bytes] = []
        self._ends = array("Q")
        self._writer: BinaryIO | None = None
        self._reader: int | None = None
        self.nbytes = 0
        self.on_disk = False

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, item: Any) -> int:
        """Keep one thing; returns its place.

        Raises:
            BusyError: DISK_FULL if the file cannot be made or does not grow.
        """
        data = pickle.dumps(item, protocol=pickle.HIGHEST_PROTOCOL)
        self.nbytes += len(data)
        self._ends.append(self.nbytes)
        if self.nbytes <= self._budget:
            self._held.append(data)
            return len(self) - 1
        try:
            if self._writer is None:
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                self._writer, self.on_disk = os.fdopen(descriptor, "wb"), True
                self._writer.writelines(self._held)
                self._held.clear()
            self._writer.write(data)
        except OSError as error:
            raise self._full(error) from error
        return len(self) - 1

    def seal(self) -> None:
        """Nothing more will be added; what was is in memory or in the file.

        Raises:
            BusyError: DISK_FULL.
        """
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            except OSError as error:
                raise self._full(error) from error

    def adopt(self) -> None:
        """Make the file this process's own: without a name it goes with the process, come what may.

        Raises:
            OSError: The file is gone.
        """
        if self.on_disk:
            self._opened()

    def read(self, place: int) -> Any:
        """The thing at a place; any number of threads may read.

        Raises:
            OSError: The file is gone or broken.
        """
        if not self.on_disk:
            return pickle.loads(self._held[place])  # noqa: S301 - written by our own worker
        begin = self._ends[place - 1] if place else 0
        size = self._ends[place] - begin
        data = os.pread(self._opened(), size, begin)
        if len(data) != size:
            raise OSError(f"{self._path}: cut short")
        return pickle.loads(data)  # noqa: S301 - written by our own worker

    def close(self) -> None:
        """Let go of everything; idempotent."""
        self._held.clear()
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.close()
        reader, self._reader = self._reader, None
        if reader is not None:
            os.close(reader)
        elif self.on_disk:
            self._path.unlink(missing_ok=True)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_writer": None, "_reader": None}

    def _opened(self) -> int:
        if self._reader is None:
            self._reader = os.open(self._path, os.O_RDONLY)
            self._path.unlink()
        return self._reader

    def _full(self, error: OSError) -> BusyError:
        return BusyError(
            f"its prepared sound does not fit into {self._path.parent} "
            f"({error.strerror or error}); free some space there and index it again",
            reason="DISK_FULL",
        )
