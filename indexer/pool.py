"""Worker processes that may crash, hang or be killed, and take one file with them at most."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Any

from indexer.child import start_child
from indexer.worker import Failed, Reply, Setup, Task, pickled
from retrieval.core.errors import InternalError

# One process per core is all the parallelism there is to have; nested threads only fight.
_ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    ),
    "1",
)


class WorkerPool:
    """Up to ``size`` workers, started when there is work for them, one task at a time each."""

    def __init__(self, size: int, setup: Setup) -> None:
        """Start nothing yet.

        Args:
            size: Workers at most, >= 1.
            setup: What every worker is told first.
        """
        self._size = size
        self._setup = pickled(setup)
        self._timeout = setup.file_timeout
        self._workers: list[_Worker] = []

    @property
    def free(self) -> int:
        """How many more tasks would start at once."""
        return self._size - sum(worker.key is not None for worker in self._workers)

    def submit(self, key: str, task: Task) -> None:
        """Start a task; there must be a free worker."""
        worker = next((w for w in self._workers if w.key is None and w.alive()), None)
        if worker is None:
            self._reap()
            worker = _Worker(self._setup)
            self._workers.append(worker)
        worker.submit(key, task)

    def wait(
        self, others: Sequence[Connection], timeout: float | None = None
    ) -> list[tuple[str, Reply]]:
        """Wait for a reply, or for something to read from the other connections.

        Returns:
            Keys and replies of finished tasks; that of a worker that died is ``Failed``.

        Raises:
            InternalError: A worker could not even start.
        """
        at_work = {worker.connection: worker for worker in self._workers if worker.key is not None}
        ready = connection.wait([*at_work, *others], timeout)
        replies: list[tuple[str, Reply]] = []
        for worker in [w for c, w in at_work.items() if c in ready]:
            key = worker.key
            try:
                reply = worker.receive()
            except (EOFError, OSError):
                reply = self._autopsy(worker)
            if reply is not None and key is not None:
                replies.append((key, reply))
        return replies

    def close(self) -> None:
        """Kill and reap every worker; idempotent."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()

    def _reap(self) -> None:
        for worker in [w for w in self._workers if w.key is None and not w.alive()]:
            worker.kill()
            self._workers.remove(worker)

    def _autopsy(self, worker: _Worker) -> Failed:
        code = worker.status()
        self._workers.remove(worker)
        if not worker.started:
            raise InternalError(
                f"a worker process ended with status {code} before its first file; "
                "import indexer.worker must work in this environment, and every encoder must be "
                "importable by its module"
            )
        if code == -signal.SIGALRM:
            message = f"reading and preparing it took more than {self._timeout:g} s"
            return Failed("AUDIO_DECODE_TIMEOUT", message)
        cause = signal.strsignal(-code) if code < 0 else f"exit status {code}"
        return Failed("WORKER_CRASHED", f"the worker process broke down on this file ({cause})")


class _Worker:
    """One process and its end of the connection.

    Attributes:
        key: Of the task at work, or None.
        started: The process has loaded everything and answered once.
    """

    def __init__(self, setup: bytes) -> None:
        self._process, ours = start_child("indexer.worker", _environment(os.environ))
        self.connection: Connection[Any, Any] = ours
        self.started = False
        self.key: str | None = None
        with contextlib.suppress(OSError):
            self.connection.send_bytes(setup)

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def submit(self, key: str, task: Task) -> None:
        """Send a task; a process that is gone is noticed when its reply is read."""
        self.key = key
        with contextlib.suppress(OSError):
            self.connection.send(task)

    def receive(self) -> Reply | None:
        """The reply that is there to read, or None for the first sign of life."""
        reply: Reply | None = self.connection.recv()
        if not self.started:
            self.started = True
            return None
        self.key = None
        return reply

    def status(self) -> int:
        """The exit status of a process whose connection broke."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        return self.kill()

    def kill(self) -> int:
        """End the process; returns its exit status."""
        self._process.kill()
        self.connection.close()
        return self._process.wait()


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    # Decoders see hostile bytes; they get no tokens and no keys.
    kept = {name: value for name, value in ours.items() if not name.startswith("SEGUE_")}
    return kept | _ONE_THREAD
