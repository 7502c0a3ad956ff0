"""The writes a store accepted while a copy of it was being optimised, in order.

The log is never needed to recover from a crash: until the switch the old generation holds these
writes, after it the new one does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from retrieval.core.errors import StoreError

_ENTRY = struct.Struct("<Q?")


class WriteLog:
    """Appends calls to a file. A log that cannot be written only fails the optimisation."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._fault: OSError | None = None

    def append(self, body: bytes, *, done: bool) -> None:
        """Add one pickled call; ``done`` is False if it raised."""
        try:
            self._file.write(_ENTRY.pack(len(body), done))
            self._file.write(body)
        except OSError as error:
            self._fault = error

    def flush(self) -> int:
        """Hand everything to the operating system; returns the length of the log in bytes.

        Raises:
            StoreError: If any part of the log could not be written.
        """
        try:
            self._file.flush()
        except OSError as error:
            self._fault = error
        if self._fault is not None:
            raise StoreError(f"the log of writes is incomplete: {self._fault.strerror}")
        return self._file.tell()

    def close(self) -> None:
        """Close the file; what was not flushed may be lost."""
        self._file.close()


def read_log(path: Path, start: int, end: int) -> Iterator[tuple[bytes, bool]]:
    """Calls between two offsets that ``WriteLog.flush`` returned, as (pickled call, done)."""
    with path.open("rb") as file:
        file.seek(start)
        while file.tell() < end:
            length, done = _ENTRY.unpack(file.read(_ENTRY.size))
            yield file.read(length), done
