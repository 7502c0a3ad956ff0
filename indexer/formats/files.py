"""Text files of labels: bounded, numbered by line, and errors that name both."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from indexer.features_npy import open_regular
from retrieval.core.errors import InvalidInputError

MAX_BYTES = 16 * 1024 * 1024
"""Largest file of labels: a line every 10 ms for hours."""
MAX_SECONDS = 7 * 24 * 3600
"""Latest time in a file, in seconds."""

T = TypeVar("T")


def bad(path: Path, message: str, line: int | None = None) -> InvalidInputError:
    """The error of a file that is not what it should be.

    Args:
        path: The file.
        message: What is wrong, and the fix.
        line: Where, counted from 1.
    """
    where = f"{path}, line {line}" if line is not None else str(path)
    metadata = {"file": str(path)} | ({} if line is None else {"line": str(line)})
    return InvalidInputError(f"{where}: {message}", reason="FEATURES_UNREADABLE", metadata=metadata)


def read_text(path: Path) -> str:
    """A whole UTF-8 text file, with or without a byte-order mark.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE if it is no regular file, larger than ``MAX_BYTES``,
            not UTF-8, or cannot be read.
    """
    try:
        with open_regular(path, MAX_BYTES) as stream:
            return stream.read(MAX_BYTES).decode("utf-8-sig")
    except InvalidInputError as error:
        raise bad(path, error.message) from error
    except UnicodeDecodeError as error:
        raise bad(path, f"not UTF-8 text: byte {error.start}; save it as UTF-8") from error
    except OSError as error:
        raise bad(path, f"cannot be read: {error.strerror or error}") from error


def read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """The words of each line that is not empty, with the number of the line.

    Raises:
        InvalidInputError: As ``read_text``, or if there is no line at all.
    """
    lines = [(n, one.split()) for n, one in enumerate(read_text(path).splitlines(), 1)]
    kept = [(number, words) for number, words in lines if words]
    if not kept:
        raise bad(path, "the file is empty")
    return kept


def parse_row(path: Path, line: int, adapter: TypeAdapter[T], words: object) -> T:
    """One row of an untrusted file through its model.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE, with the line and the first problem.
    """
    try:
        return adapter.validate_python(words)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise bad(path, f"{place}: {first['msg']}" if place else first["msg"], line) from error


def read_seconds(
    path: Path,
    lines: Sequence[tuple[int, list[str]]],
    parse: Callable[[int, list[str]], T],
) -> list[T]:
    """Rows that begin with the second they are about: 0, 1, 2, … without a gap.

    Args:
        path: Named in errors.
        lines: Of ``read_lines``.
        parse: Takes the number of a line and its words after the second.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE, with the line.
    """
    rows: list[T] = []
    for line, (first, *rest) in lines:
        second = as_number(first)
        if second != len(rows):
            raise bad(path, f"second {len(rows)} was expected here, not {first[:20]!r}", line)
        rows.append(parse(line, rest))
    return rows


def as_number(word: str) -> float | None:
    """A finite decimal number, or None if the word is something else."""
    try:
        value = float(word)
    except ValueError:
        return None
    # Python reads 1_000 as a number; no label file means that.
    return value if math.isfinite(value) and "_" not in word else None


def plain(value: float) -> str:
    """A number as label files have it: the shortest that reads back the same, without exponent."""
    if value == int(value):
        return str(int(value))
    text = repr(float(value))
    return text if "e" not in text else f"{value:.12f}".rstrip("0").rstrip(".")
