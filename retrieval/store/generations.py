"""The folder of one embedded library: who may open it, and which generation of it counts.

::

    root/lock        held for as long as any process has the library open
    root/CURRENT     the name of the generation that counts
    root/g-…/        one whole library of the embedded store
    root/g-….log     writes accepted while that generation was being built

A rebuilt generation becomes the library by replacing ``CURRENT``, which is one atomic rename: at
every instant, also that of a crash, exactly one generation counts. Whatever else lies in the
folder is left over from a killed process and removed by the next one that gets the lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
import uuid
from pathlib import Path

from retrieval.core.errors import StoreError

_PREFIX = "g-"
_POINTER = "CURRENT"
_LOCK = "lock"
_PATIENCE = 2.0
_PAUSE = 0.02


class LibraryFolder:
    """An open library folder. Holds the lock until ``close``, or until the process dies.

    The lock belongs to the open file, not to the process: a child that inherits ``lock_fd`` keeps
    the library locked after its parent was killed, for as long as it still writes.

    Args:
        root: The folder; made if it does not exist.

    Raises:
        StoreError: STORE_LOCKED if another process has the library open, also after waiting two
            seconds for one that is about to end; STORE_UNAVAILABLE if the folder cannot be used.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._lock: int | None = _acquire(self.root)
            try:
                self._current = self._resolve()
                self._sweep()
            except BaseException:
                self.close()
                raise
        except OSError as error:
            raise StoreError(f"library folder {self.root}: {error.strerror or error}") from error

    @property
    def current(self) -> Path:
        """Folder of the generation that counts; it exists."""
        return self._current

    @property
    def lock_fd(self) -> int:
        """Descriptor of the lock, to hand to a child process."""
        if self._lock is None:
            raise StoreError(f"library folder {self.root} is closed")
        return self._lock

    def new(self) -> Path:
        """A path for another generation, never used before. Does not create it."""
        return self.root / f"{_PREFIX}{uuid.uuid4().hex[:12]}"

    def log_of(self, generation: Path) -> Path:
        """The log of writes that belongs to a generation being built."""
        return generation.with_name(f"{generation.name}.log")

    def switch(self, generation: Path) -> None:
        """Make another generation the one that counts, atomically and durably."""
        _point(self.root, generation.name)
        self._current = generation

    def discard(self, generation: Path) -> None:
        """Remove a generation that does not count, and its log."""
        if generation != self._current:
            shutil.rmtree(generation, ignore_errors=True)
        self.log_of(generation).unlink(missing_ok=True)

    def close(self) -> None:
        """Give up this process's hold on the lock; idempotent."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _resolve(self) -> Path:
        pointer = self.root / _POINTER
        if not pointer.exists():
            first = self.new()
            first.mkdir()
            _point(self.root, first.name)
        name = pointer.read_text(encoding="utf-8").strip()
        generation = self.root / name
        if not name.startswith(_PREFIX) or not generation.is_dir():
            raise StoreError(
                f"library folder {self.root}: {_POINTER} names {name!r}, which is not there; "
                "restore the folder from a backup, or remove it and index again",
                reason="STORE_CORRUPT",
            )
        return generation

    def _sweep(self) -> None:
        for entry in self.root.iterdir():
            if entry == self._current or not entry.name.startswith((_PREFIX, f"{_POINTER}.")):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def _acquire(root: Path) -> int:
    lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(_PAUSE)
                continue
            holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
            os.close(lock)
            raise StoreError(
                f"library folder {root} is open in another process"
                f"{f' ({holder})' if holder else ''}; stop it, or send the command to the running "
                "service with --address",
                reason="STORE_LOCKED",
            ) from None
        except BaseException:
            os.close(lock)
            raise
        with contextlib.suppress(OSError):  # who holds the lock is a courtesy
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"pid {os.getpid()}\n".encode(), 0)
        return lock


def _point(root: Path, name: str) -> None:
    fresh = root / f"{_POINTER}.{uuid.uuid4().hex[:8]}"
    with fresh.open("w", encoding="utf-8") as file:
        file.write(f"{name}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(root / _POINTER)
    sync_directory(root)


def sync_directory(path: Path) -> None:
    """Make the entries of a directory survive a power loss."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
