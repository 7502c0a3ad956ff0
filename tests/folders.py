"""Where tests keep their files: in memory where the system has such a place.

An embedded library is some two thousand small files; on a busy disk making and syncing them, which
no test looks at, would take most of the time.
"""

from __future__ import annotations

import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 6 << 30
"""Bytes that must be free there: a library takes a third of a gibibyte."""


def fast() -> Path | None:
    """The place in memory while there is room in it; None stands for the system's usual one."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None
