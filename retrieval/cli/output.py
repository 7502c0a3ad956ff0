"""Answers on standard output: tables for people, tab-separated lines for pipes, or JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from indexer.report import Failure
    from retrieval.core.queries import Hit, SearchResponse
    from retrieval.core.tracks import Track


def print_json(value: object) -> None:
    """One JSON document, in one line unless a person reads it."""
    indent = 2 if sys.stdout.isatty() else None
    click.echo(json.dumps(value, ensure_ascii=False, indent=indent))


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        name: Its heading.
        style: A rich style.
        right: Align to the right.
        fold: Break anywhere rather than cut when the terminal is narrow.
        cut: One line, cut at its end when the terminal is narrow.
        least: Characters it keeps when the terminal is narrow.
        people: Only in tables for people.
        pipes: Only in tab-separated lines.
    """

    name: str
    style: str = ""
    right: bool = False
    fold: bool = False
    cut: bool = False
    least: int = 0
    people: bool = False
    pipes: bool = False


def print_table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], *, caption: str = ""
) -> None:
    """Rows as a table on a terminal, else as tab-separated lines without a heading."""
    if not sys.stdout.isatty():
        kept = [place for place, column in enumerate(columns) if not column.people]
        for row in rows:
            click.echo("\t".join(_one_line(row[place]) for place in kept))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption or None)
    table.caption_justify = "left"
    shown = [
        place
        for place, column in enumerate(columns)
        # A mark that no row bears takes no room.
        if not column.pipes and (column.name or any(row[place] for row in rows))
    ]
    for place in shown:
        column = columns[place]
        table.add_column(
            column.name,
            style=column.style,
            justify="right" if column.right else "left",
            overflow="fold" if column.fold else "ellipsis",
            no_wrap=column.cut or column.right,
            min_width=_widest(column, rows, place) if column.right else column.least or None,
        )
    for row in rows:
        # Text, not markup: a title may hold square brackets.
        table.add_row(*(Text(visible(row[place])) for place in shown))
    Console().print(table)


def note(message: str) -> None:
    """A remark for a person, on standard error so that pipes stay clean."""
    if sys.stderr.isatty():
        click.echo(click.style(message, dim=True), err=True)


def print_failures(failures: Iterable[Failure], *, of: str = "") -> None:
    """Tell each file that could not be used on stderr, in a line.

    Args:
        failures: What went wrong.
        of: What stands before each.
    """
    for failure in failures:
        click.echo(visible(f"{of}{failure.path}: {failure.message} [{failure.reason}]"), err=True)


def clock(seconds: float) -> str:
    """``m:ss``, or ``h:mm:ss`` from an hour on, to the nearest second."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def text_of(track: Track, field: str) -> str:
    """A payload value as one line; empty if the track has none."""
    value = track.payload.get(field, "")
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def title_of(track: Track) -> str:
    """The title, or else the file's name, or else the id."""
    named = text_of(track, "title")
    return named or (PurePath(track.paths[0]).stem if track.paths else track.id)


def path_of(track: Track) -> str:
    """Its first path; on a terminal with ``~`` for home, and the end of a long one."""
    path = track.paths[0] if track.paths else ""
    if not sys.stdout.isatty():
        return path
    home = str(Path.home())
    short = f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path
    room = max(16, shutil.get_terminal_size().columns // 3)
    return short if len(short) <= room else f"…{short[1 - room :]}"


def payload_json(track: Track) -> dict[str, Any]:
    """The payload with lists for tuples."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in sorted(track.payload.items())
    }


def track_json(track: Track) -> dict[str, Any]:
    """A track as ``--json`` shows it."""
    return {
        "track": track.id,
        "title": text_of(track, "title") or None,
        "artist": text_of(track, "artist") or None,
        "paths": list(track.paths),
        "payload": payload_json(track),
    }


def hit_json(hit: Hit) -> dict[str, Any]:
    """A hit as ``--json`` shows it."""
    track = track_json(hit.track)
    payload = track.pop("payload")
    segments = [{"start": s.span.start, "end": s.span.end, "score": s.score} for s in hit.segments]
    told = {"score": hit.score, "fit": hit.fit, "weak": hit.weak, "segments": segments}
    return {**track, **told, "payload": payload}


def response_json(response: SearchResponse) -> dict[str, Any]:
    """An answer as ``--json`` shows it."""
    return {
        "hits": [hit_json(hit) for hit in response.hits],
        "spaces": [
            {"query": one.query, "space": one.space, "fit": one.fit, "weak": one.weak}
            for one in response.spaces
        ],
        "left_out": [
            {"space": one.space, "reason": one.reason, "message": one.message}
            for one in response.left_out
        ],
        "took_ms": round(response.took_ms, 3),
    }


HIT_COLUMNS = (
    Column("#", "dim", right=True, people=True),
    Column("score", "cyan", right=True),
    Column("", "dim", people=True),
    Column("title", "bold", least=16),
    Column("artist"),
    Column("best moments", "green", least=12),
    Column("path", "dim", cut=True),
    Column("track", pipes=True),
)


def print_hits(response: SearchResponse, *, first: int = 1) -> None:
    """An answer as a table; ``first`` is the rank of its first hit."""
    for one in response.left_out:
        note(f"space {one.space} was not asked: {one.message}")
    rows = [
        (
            str(rank),
            _score(hit.score),
            "weak" if hit.weak else "",
            title_of(hit.track),
            text_of(hit.track, "artist"),
            ", ".join(f"{clock(s.span.start)}–{clock(s.span.end)}" for s in hit.segments),
            path_of(hit.track),
            hit.track.id,
        )
        for rank, hit in enumerate(response.hits, start=first)
    ]
    if not rows:
        note("nothing found")
        return
    if all(hit.weak for hit in response.hits):
        note("nothing in this library fits well; the nearest:")
    more = "; more with a larger -k" if response.more else ""
    print_table(HIT_COLUMNS, rows, caption=f"{len(rows)} hits in {response.took_ms:.1f} ms{more}")


def value_rows(values: Mapping[str, object]) -> list[tuple[str, str]]:
    """Names and values as rows of a two-column table."""
    return [
        (name, ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value))
        for name, value in values.items()
    ]


def _widest(column: Column, rows: Sequence[Sequence[str]], place: int) -> int:
    return max(len(column.name), *(len(row[place]) for row in rows), 0)


def _score(score: float) -> str:
    text = f"{score:.4f}"
    return "0.0000" if text == "-0.0000" else text


def _one_line(text: str) -> str:
    return visible(text).replace("\t", " ")


def visible(text: str) -> str:
    """The text without control characters: tags and file names come from strangers."""
    return "".join(char if char.isprintable() else " " for char in text)
