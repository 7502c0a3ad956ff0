"""How a run tells how far it is, and is told to end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from retrieval.core.errors import CancelledError

Watch = Callable[[str, int, int], None]
"""Told what is being done, how much of it is, and how much there is to do."""


def tell(watch: Watch | None, stop: threading.Event, doing: str, done: int, total: int) -> None:
    """Pass on how far a run is.

    Raises:
        CancelledError: It is to end.
    """
    if watch is not None:
        watch(doing, done, total)
    check(stop)


def check(stop: threading.Event) -> None:
    """End a run that is to end.

    Raises:
        CancelledError: It is.
    """
    if stop.is_set():
        raise CancelledError("stopped early; the same command goes on from here")
