"""What a file looked like, so that what was once found out about it need not be found out again.

A file that was written, truncated, replaced or given back its old time since has another
fingerprint: the kernel itself keeps the time of the last change (ctime), and no program can set it.
What goes unnoticed: a clock that was set back to the very nanosecond; a writer that had the file
mapped into its memory all along, whose writes may come to light minutes later; a network file
system that serves old times from its cache for some seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

_SETTLED = 2.0
"""Seconds: clocks of file systems tick every 4 ms, or every 2 s, and two writes in one tick leave
the same time."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The number of a file, its size, and when it was last written and changed.

    Not that of its disk, which may be another after every start of the machine.
    """

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: Path) -> Fingerprint | None:
        """That of a file now, links followed; None if there is none."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    @property
    def settled(self) -> bool:
        """Whether the next write will leave another fingerprint for certain."""
        return self.ctime_ns < time.time_ns() - _SETTLED * 1e9
