"""Lanes: bounded threads and bounded queues, so that one kind of work never starves another."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from retrieval.api.errors import RETRY_AFTER
from retrieval.core.budget import Budget
from retrieval.core.errors import BusyError, DeadlineError
from retrieval.service.calls import CALL, Context, Interceptor, Run

T = TypeVar("T")

SHORTEST_DEADLINE = 0.002
"""Seconds; with less left no answer would arrive in time."""
_SMOOTHING = 0.1


class Lane:
    """Threads for one kind of work, and a bound on the calls in work or waiting for it."""

    def __init__(self, name: str, *, workers: int, capacity: int) -> None:
        """Start with idle threads.

        Args:
            name: Named in errors and thread names.
            workers: Threads.
            capacity: Calls in work or waiting; more are refused.
        """
        self.name = name
        self.capacity = capacity
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=f"segue-{name}")
        self._in_flight = 0
        self._seconds = 0.0  # what one piece of work takes, smoothed

    @property
    def in_flight(self) -> int:
        """Calls in work or waiting."""
        return self._in_flight

    @property
    def wait(self) -> float:
        """Seconds a new call would wait for a thread, estimated."""
        ahead = self._in_flight - self._workers + 1
        return max(0, ahead) * self._seconds / self._workers

    @contextmanager
    def admit(self, remaining: float | None) -> Iterator[None]:
        """Hold a place for one call.

        Args:
            remaining: Seconds until the caller's deadline; None without one.

        Raises:
            BusyError: QUEUE_FULL; its metadata says when to try again.
            DeadlineError: If the deadline would pass before a thread is free.
        """
        if self._in_flight >= self.capacity:
            pause = min(max(self.wait, 0.1), 10.0)
            raise BusyError(
                f"{self.capacity} calls are in work or waiting ({self.name}); "
                f"try again in {pause:.1f} s",
                metadata={RETRY_AFTER: f"{pause:.3f}", "lane": self.name},
            )
        if remaining is not None and remaining < max(SHORTEST_DEADLINE, self.wait):
            raise DeadlineError("the deadline is too close for this call to finish in time")
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    async def run(self, work: Callable[[], T], budget: Budget) -> T:
        """Do the work in a thread of this lane.

        If the call is cancelled, work that has not started never will, and work that runs is told
        through its budget and awaited: its place is not free while it holds a thread.
        """

        def timed() -> T:
            budget.check()
            start = time.perf_counter()
            try:
                return work()
            finally:
                self._seconds += _SMOOTHING * (time.perf_counter() - start - self._seconds)

        job = self._pool.submit(timed)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            budget.cancel()
            if not job.cancel():
                await _finished(asyncio.wrap_future(job))
            raise

    def close(self) -> None:
        """Wait for the work in progress; the lane takes no more."""
        self._pool.shutdown(wait=True, cancel_futures=True)


async def _finished(job: asyncio.Future[Any]) -> None:
    while not job.done():
        try:
            await asyncio.wait([job])
        except asyncio.CancelledError:
            continue
    job.exception()


_UPLOADS = {"/retrieval.api.v1.SearchService/SearchAudio"}
_MAINTENANCE = {
    f"/retrieval.api.v1.LibraryService/{name}" for name in ("RefitSpace", "OptimizeLibrary")
}
_WRITES = {
    f"/retrieval.api.v1.LibraryService/{name}"
    for name in (
        *("DeclareSpaces", "WriteTracks", "UpdateTracks", "WriteSeries"),
        *("DeleteTrack", "BatchDeleteTracks"),
    )
}
_OURS = "/retrieval.api."


class Lanes:
    """The lanes of a service, and which method takes which."""

    def __init__(self, max_concurrent: int) -> None:
        """Make the lanes.

        Args:
            max_concurrent: Queries in work or waiting. Uploads hold much memory and writes are
                serialised by the store, so those have far fewer places.
        """
        threads = min(32, 2 * (os.cpu_count() or 1) + 4)
        self.queries = Lane("queries", workers=threads, capacity=max_concurrent)
        self.uploads = Lane("uploads", workers=4, capacity=min(8, max_concurrent))
        self.writes = Lane("writes", workers=2, capacity=min(8, max_concurrent))
        self.maintenance = Lane("maintenance", workers=1, capacity=2)

    def of(self, method: str) -> Lane | None:
        """The lane of a method; None for health and reflection, which are never refused."""
        if not method.startswith(_OURS):
            return None
        for methods, lane in (
            (_UPLOADS, self.uploads),
            (_WRITES, self.writes),
            (_MAINTENANCE, self.maintenance),
        ):
            if method in methods:
                return lane
        return self.queries

    def close(self) -> None:
        """Wait for all work in progress."""
        for lane in (self.queries, self.uploads, self.writes, self.maintenance):
            lane.close()


class Limits(Interceptor):
    """Innermost: holds a place in the method's lane for as long as the call lasts."""

    def __init__(self, lanes: Lanes) -> None:
        super().__init__()
        self._lanes = lanes

    async def around(self, method: str, run: Run, context: Context) -> Any:
        """Run the call if there is room for it.

        Raises:
            BusyError: QUEUE_FULL.
            DeadlineError: If the deadline is too close.
        """
        lane = self._lanes.of(method)
        if lane is None:
            return await run()
        CALL.get().lane = lane
        with lane.admit(context.time_remaining()):
            return await run()
