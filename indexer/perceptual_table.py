"""Tables of perceptual dimensions that were made elsewhere: ``audio_features.csv``.

A row per track: its name in the first column, then the ten dimensions, by the names in the header
(whatever else the table has), or, without such a header, in their usual order.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import InvalidInputError
from retrieval.encoders.perceptual_dims import DIMS

MAX_BYTES = 1024 * 1024 * 1024
MAX_VALUE = 1e12
_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True, eq=False)
class PerceptualTable:
    """A table as it was read.

    Attributes:
        names: The first column, in the order of the rows.
        values: float64 of shape (rows, 10), finite, columns in the order of ``DIMS``.
        lines: The line of the file that each row is on, from 1.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    lines: tuple[int, ...]


def read_table(path: Path) -> PerceptualTable:
    """Read a table; commas, semicolons or tabs stand between its cells.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE; names the file, line and column at fault.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _bad(f"{path}: larger than {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise _bad(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise _bad(f"{path}: not a text file in UTF-8") from error
    head = text[: text.find("\n") if "\n" in text else None]
    delimiter = max(_DELIMITERS, key=head.count)
    # Line breaks inside quotes count as lines, so that errors name the line an editor shows.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise _bad(f"{path}, line {reader.line_num}: {error}") from error
    if not rows:
        raise _bad(f"{path}: the table is empty")
    columns = _columns(path, rows[0][1])
    if columns is None:
        columns = range(1, len(DIMS) + 1)
    else:
        rows = rows[1:]
    return _table(path, rows, columns)


def _columns(path: Path, header: Sequence[str]) -> Sequence[int] | None:
    """Where each dimension stands by the header; None if the first line is no header."""
    if len(header) < len(DIMS) + 1:
        raise _bad(
            f"{path}, line 1: {len(header)} columns; a name and {len(DIMS)} dimensions are needed "
            f"({', '.join(DIMS)})"
        )
    names = [cell.strip().lower().removeprefix("audio_") for cell in header]
    if set(DIMS) <= set(names[1:]):
        return [names.index(dim, 1) for dim in DIMS]
    if all(_number(cell) is not None for cell in header[1 : len(DIMS) + 1]):
        return None
    if len(header) == len(DIMS) + 1 and not any(dim in names for dim in DIMS):
        # Dimensions under other names, in the usual order.
        return range(1, len(DIMS) + 1)
    missing = [dim for dim in DIMS if dim not in names]
    raise _bad(f"{path}, line 1: there is no column {missing[0]!r}; needed: {', '.join(DIMS)}")


def _table(
    path: Path, rows: Sequence[tuple[int, list[str]]], columns: Sequence[int]
) -> PerceptualTable:
    if not rows:
        raise _bad(f"{path}: there is a header, and no row below it")
    values = np.empty((len(rows), len(DIMS)))
    for place, (line, row) in enumerate(rows):
        for index, column in enumerate(columns):
            cell = row[column] if column < len(row) else ""
            number = _number(cell)
            if number is None:
                raise _bad(
                    f"{path}, line {line}, {DIMS[index]}: {cell[:40]!r} is not a finite number"
                )
            values[place, index] = number
    return PerceptualTable(
        tuple(row[0].strip() for _, row in rows), values, tuple(line for line, _ in rows)
    )


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) <= MAX_VALUE else None


def _bad(message: str) -> InvalidInputError:
    return InvalidInputError(message, reason="FEATURES_UNREADABLE")
