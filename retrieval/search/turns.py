"""Taking turns at something that one thread may use at a time, within a budget."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from retrieval.core.budget import Budget


class Turns:
    """A lock whose waiters give up when their caller does."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._taken = False

    @contextmanager
    def turn(self, budget: Budget, what: str) -> Iterator[None]:
        """Wait for a turn, and keep it while the context lasts.

        Args:
            budget: Of the request that waits.
            what: What the turn is for, named in errors.

        Raises:
            DeadlineError: If the deadline passes first.
            CancelledError: If the caller goes away first.
        """
        with budget.waking(self._wake), self._changed:
            while self._taken:
                budget.check(what)
                self._changed.wait(budget.remaining())
            budget.check(what)
            self._taken = True
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                # All of them: the one that is woken may be just about to give up.
                self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
