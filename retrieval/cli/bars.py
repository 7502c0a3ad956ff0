"""Progress as it is counted, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting(doing: str, *, show: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A live bar with the time left on a terminal, fed with (done, total); None in a pipe.

    Args:
        doing: What the bar is about: ``copying``.
        show: Whether a bar is wanted at all.
    """
    if not show or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(doing, *columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
