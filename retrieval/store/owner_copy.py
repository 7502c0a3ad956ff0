"""Copy the files of a store that nobody writes to at the moment.

Hard links would not do: the engine marks deletions by writing into the files of finished segments,
which two generations must not share. Where the file system can clone (Btrfs, XFS, APFS) or the
files have holes (the engine reserves whole chunks), only what is there is copied.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from retrieval.core.errors import StoreError
from retrieval.store.generations import sync_directory

_BLOCK = 1 << 22
_ROOM = 3
"""Free space asked for, in sizes of the store: the copy, the rebuilt segments, and slack."""


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder, file by file, keeping holes.

    Raises:
        StoreError: If the disk has not three times the room that the folder takes.
    """
    needed = _ROOM * sum(f.stat().st_blocks * 512 for f in source.rglob("*") if f.is_file())
    free = shutil.disk_usage(source).free
    if free < needed:
        raise StoreError(
            f"optimising {source.parent} needs {needed >> 20} MiB of free disk, there are "
            f"{free >> 20}; the library goes on unoptimised",
            metadata={"needed_bytes": str(needed), "free_bytes": str(free)},
        )
    shutil.copytree(source, target, copy_function=_copy_file)


def _copy_file(source: str, target: str) -> None:
    with Path(source).open("rb") as reading, Path(target).open("wb") as writing:
        size = os.fstat(reading.fileno()).st_size
        at = 0
        while at < size:
            start, end = _next_data(reading.fileno(), at, size)
            _copy_range(reading.fileno(), writing.fileno(), start, end)
            at = end
        writing.truncate(size)


def _next_data(file: int, at: int, size: int) -> tuple[int, int]:
    try:
        start = os.lseek(file, at, os.SEEK_DATA)
        return start, os.lseek(file, start, os.SEEK_HOLE)
    except OSError as error:
        if error.errno == 6:  # ENXIO: only a hole is left
            return size, size
        return at, size  # this file system knows no holes


def _copy_range(reading: int, writing: int, start: int, end: int) -> None:
    at = start
    while at < end:
        if sys.platform == "linux":
            try:
                copied = os.copy_file_range(reading, writing, min(end - at, _BLOCK), at, at)
            except OSError:
                copied = os.pwrite(writing, os.pread(reading, min(end - at, _BLOCK), at), at)
        else:
            copied = os.pwrite(writing, os.pread(reading, min(end - at, _BLOCK), at), at)
        if copied == 0:  # the file became shorter: somebody writes after all
            raise StoreError("a file of the library changed while it was copied")
        at += copied


def sync_tree(root: Path) -> None:
    """Make a folder and everything below it survive a power loss."""
    for path in sorted(root.rglob("*")):
        if path.is_dir():
            sync_directory(path)
            continue
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    sync_directory(root)
