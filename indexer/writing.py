"""The last stage: finished recordings are written and committed in batches, by one thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from indexer.commit import Change, Committer, Done, Put
from indexer.job import Job

_LIGHT_BATCH = 256
"""Files in one commit at most, most of which need nothing encoded."""


class Writing:
    """What is to be written, and what is being written."""

    def __init__(self, committer: Committer, *, batch: int, ring: Callable[[], None]) -> None:
        """Start the thread.

        Args:
            committer: Used in that thread only.
            batch: Recordings to write together at most.
            ring: Called, from any thread, when a batch is done.
        """
        self._committer, self._batch, self._ring = committer, batch, ring
        self._executor = ThreadPoolExecutor(1, "write")
        self._queue: deque[tuple[Job, Put]] = deque()
        self._written: list[tuple[Job, Put]] = []
        self._writing: Future[Done] | None = None

    @property
    def busy(self) -> bool:
        """Whether there is anything left to write."""
        return self._writing is not None or bool(self._queue)

    @property
    def recordings(self) -> int:
        """Recordings that wait, with all their vectors, until they are written."""
        return sum(put.recording is not None for _, put in (*self._queue, *self._written))

    def add(self, job: Job, put: Put) -> None:
        """Write this next."""
        self._queue.append((job, put))

    def start(self) -> None:
        """Begin a batch if there is something to write and nothing is being written."""
        if self._writing is not None or not self._queue:
            return
        heavy = 0
        while self._queue and heavy < self._batch and len(self._written) < _LIGHT_BATCH:
            job, put = self._queue.popleft()
            heavy += put.recording is not None
            self._written.append((job, put))
        changes: list[Change] = [put for _, put in self._written]
        self._writing = self._executor.submit(self._committer.apply, changes)
        self._writing.add_done_callback(lambda _: self._ring())

    def finished(self) -> tuple[list[tuple[Job, Put]], Done] | None:
        """The batch that is done, once.

        Raises:
            SegueError: The library is gone.
        """
        if self._writing is None or not self._writing.done():
            return None
        done = self._writing.result()
        written, self._written, self._writing = self._written, [], None
        return written, done

    def abandon(self) -> None:
        """Drop what cost neither encoding nor describing."""
        dear = (one for one in self._queue if one[1].recording or one[1].described)
        self._queue = deque(dear)

    def close(self) -> None:
        """Wait for the batch that is being written, and end the thread."""
        self._executor.shutdown(cancel_futures=True)
