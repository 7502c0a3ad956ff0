"""How long a request may take, and whether its caller still waits for the answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from retrieval.core.errors import CancelledError, DeadlineError


class Budget:
    """A deadline on the monotonic clock and a cancellation flag, checked between stages.

    Work runs in a thread while the caller's side may cancel from another, so every method is safe
    to call from any thread.
    """

    __slots__ = ("_cancelled", "_deadline", "_lock", "_waiting")

    def __init__(self, seconds: float | None = None) -> None:
        """Start the clock.

        Args:
            seconds: Time from now that the work may take; None means no deadline. Zero or less
                is a deadline that has passed.
        """
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._waiting: list[Callable[[], None]] = []

    def cancel(self) -> None:
        """Tell the work that nobody waits for its answer any more; idempotent."""
        self._cancelled.set()
        with self._lock:
            waiting = list(self._waiting)
        for wake in waiting:
            wake()

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """While this lasts, ``cancel`` calls ``wake``, so that who waits can look and stop.

        Args:
            wake: Called after the flag is set, in the thread that cancels; must not block.
        """
        with self._lock:
            self._waiting.append(wake)
        try:
            yield
        finally:
            with self._lock:
                self._waiting.remove(wake)

    def remaining(self) -> float | None:
        """Seconds left, never below zero; None without a deadline."""
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic())

    def check(self, stage: str = "the request") -> None:
        """Stop work that nobody can use.

        Args:
            stage: What is about to start, named in the error.

        Raises:
            CancelledError: ``cancel`` was called.
            DeadlineError: The deadline has passed.
        """
        if self._cancelled.is_set():
            raise CancelledError(f"cancelled by the caller before {stage}")
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise DeadlineError(f"the deadline passed before {stage}")
