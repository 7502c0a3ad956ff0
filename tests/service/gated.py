"""A real library whose searches wait at a gate, so that tests decide what is in flight."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from retrieval.core.budget import Budget
from retrieval.core.queries import SearchRequest, SearchResponse
from retrieval.search import LocalLibrary


class GatedLibrary:
    """Passes everything on to a library, but searches stop at ``gate`` while it is closed."""

    def __init__(self, library: LocalLibrary) -> None:
        self._library = library
        self.gate = threading.Event()
        self.waiting = 0
        self.cancelled = 0
        self.closed = False
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def search(self, request: SearchRequest, *, budget: Budget | None = None) -> SearchResponse:
        with self._lock:
            self.waiting += 1
        try:
            while not self.gate.wait(0.005):
                if budget is not None:
                    budget.check()
        except Exception:
            self.cancelled += 1
            raise
        finally:
            with self._lock:
                self.waiting -= 1
        return self._library.search(request, budget=budget)

    def close(self) -> None:
        assert not self.waiting, "closed under a call in progress"
        self.closed = True


def eventually(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.005)
