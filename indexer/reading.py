"""The first stage: files are probed and decoded in worker processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from indexer.job import Job
from indexer.pool import WorkerPool
from indexer.worker import Failed, Prepare, Prepared, Probe, Reply


class Reading:
    """Files at work in the pool, and those that are next to be decoded."""

    def __init__(self, pool: WorkerPool, spool: Path) -> None:
        """Set up.

        Args:
            pool: Workers; the caller closes it.
            spool: Folder for the prepared sound of long tracks.
        """
        self._pool = pool
        self._spool = spool
        self._numbers = count()
        self._to_prepare: deque[Job] = deque()
        self._at_work: dict[str, tuple[Job, Path | None]] = {}

    @property
    def at_work(self) -> int:
        """Files in the hands of workers."""
        return len(self._at_work)

    @property
    def free(self) -> int:
        """Workers without a file."""
        return self._pool.free

    def prepare(self, job: Job) -> None:
        """Decode this file next, and prepare it for the job's spaces."""
        self._to_prepare.append(job)

    def start_preparing(self) -> bool:
        """Give a free worker a file that is to be decoded; whether there was one."""
        if not self._to_prepare:
            return False
        job = self._to_prepare.popleft()
        spool = self._spool / str(next(self._numbers))
        self._at_work[job.path] = job, spool
        self._pool.submit(job.path, Prepare(job.path, job.spaces, str(spool), job.descriptors))
        return True

    def start_probing(self, job: Job) -> None:
        """Give a free worker a file whose tags and stream digest are wanted."""
        self._at_work[job.path] = job, None
        self._pool.submit(job.path, Probe(job.path))

    def wait(
        self, others: Sequence[Connection[Any, Any]], timeout: float
    ) -> list[tuple[Job, Reply]]:
        """Wait for replies, or for something to read from the other connections."""
        replies: list[tuple[Job, Reply]] = []
        for path, reply in self._pool.wait(others, timeout):
            job, spool = self._at_work.pop(path)
            replies.append((job, _adopted(reply, spool)))
        return replies

    def abandon(self) -> None:
        """Kill the workers and forget their files."""
        self._pool.close()
        self._to_prepare.clear()
        self._at_work.clear()


def _adopted(reply: Reply, spool: Path | None) -> Reply:
    """Take over the file of a worker that finished; remove that of one that did not."""
    try:
        if isinstance(reply, Prepared) and reply.track.spool is not None:
            reply.track.spool.adopt()
        elif spool is not None:
            spool.unlink(missing_ok=True)
    except OSError as error:
        return Failed("FILE_UNREADABLE", f"its prepared sound is lost: {error.strerror or error}")
    return reply
