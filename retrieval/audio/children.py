"""Child processes that decode hostile bytes: lent out one at a time, killed when they stall."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

from retrieval.core.errors import BusyError, InternalError

MIB = 1024 * 1024
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")


class LostError(Exception):
    """A child died, or sent what makes no sense."""


class Child:
    """One child process and its end of the socket.

    Attributes:
        socket: Connected to the child.
        sound: True while the child waits for a job, in step with its parent.
    """

    def __init__(self, module: str, memory: int) -> None:
        ours, theirs = socket.socketpair()
        environment = {k: os.environ[k] for k in _KEPT_ENVIRONMENT if k in os.environ}
        # NumPy's BLAS would reserve address space for threads that nothing here uses.
        environment |= {
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        with theirs:
            arguments = [str(theirs.fileno()), str(memory)]
            self.process = subprocess.Popen(  # noqa: S603 - our own module and two numbers
                [sys.executable, "-P", "-m", module, *arguments],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        self.socket = ours
        self.sound = True
        # Also runs when this object is collected and when the interpreter exits.
        self._kill = weakref.finalize(self, _kill, self.process, ours)

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End and reap the process; idempotent."""
        self._kill()


class Children:
    """A few children that do the same; each serves one borrower at a time.

    They have bounds on memory and processor time and no secrets in their environment. One that is
    given back out of step is replaced. Safe from many threads. Children also end with this process,
    however it ends.
    """

    def __init__(self, module: str, *, most: int, memory: int, patience: float, what: str) -> None:
        """Start none yet.

        Args:
            module: What a child runs; its arguments are a descriptor and ``memory``.
            most: Children at the same time.
            memory: Address space of one child, in bytes.
            patience: How long to wait for a child that is free, in seconds.
            what: What the children are called in errors.
        """
        self._module = module
        self._memory = memory
        self._patience = patience
        self._what = what
        self._free = threading.Semaphore(most)
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._closed = False

    def start(self) -> None:
        """Start one child ahead of its first job."""
        with self._lock:
            if not self._idle and not self._busy and not self._closed:
                self._idle.append(Child(self._module, self._memory))

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the right to borrow children, one after the other.

        Raises:
            BusyError: QUEUE_FULL if none gets free in time.
        """
        if not self._free.acquire(timeout=self._patience):
            raise BusyError(f"every {self._what} is busy; try again in a moment")
        try:
            yield
        finally:
            self._free.release()

    @contextlib.contextmanager
    def lend(self) -> Iterator[Child]:
        """A child that waits for a job, inside a ``turn``; kept if it does so again at the end."""
        child = self._take()
        try:
            yield child
        finally:
            self._give(child)

    def close(self) -> None:
        """Kill and reap every child, also those at work; idempotent."""
        with self._lock:
            self._closed = True
            children = [*self._idle, *self._busy]
            self._idle.clear()
        for child in children:
            child.kill()

    def _take(self) -> Child:
        with self._lock:
            if self._closed:
                raise InternalError(f"the {self._what} is closed")
            while self._idle:
                child = self._idle.pop()
                if child.alive():
                    break
                child.kill()
            else:
                child = Child(self._module, self._memory)
            self._busy.add(child)
            return child

    def _give(self, child: Child) -> None:
        with self._lock:
            self._busy.discard(child)
            if child.sound and not self._closed and child.alive():
                self._idle.append(child)
                return
        child.kill()


def _kill(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    process.kill()
    process.wait()
    with contextlib.suppress(OSError):
        connection.close()
