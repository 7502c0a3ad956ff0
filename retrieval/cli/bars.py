"""Progress as it is counted, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting(doing: str, *, show: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A live bar with the time gone and left on a terminal, fed with (done, total); None in a pipe.

    Args:
        doing: What the bar is about: ``copying``.
        show: Whether a bar is wanted at all.
    """
    if not show or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress
    from rich.progress import TimeElapsedColumn as Elapsed
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (BarColumn(), MofNCompleteColumn(), Elapsed(), "gone,", Remaining(), "left")
    with Progress(doing, *columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def counting_stages(doing: str, *, show: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """A live bar on a terminal, fed with (doing, done, total); None in a pipe.

    Args:
        doing: What is done before anything is told.
        show: Whether a bar is wanted at all.
    """
    if not show or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(doing, total=None)
        now = ""

        def show_progress(doing: str, done: int, total: int) -> None:
            nonlocal task, now
            if doing != now:
                # The time left of one stage says nothing about the next.
                bar.remove_task(task)
                task, now = bar.add_task(doing, total=total), doing
            bar.update(task, completed=done, total=total)

        yield show_progress
