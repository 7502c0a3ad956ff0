"""Types of metadata columns: inferred from all their cells, and cells read as those types."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeGuard

from indexer.tags import MAX_COMMENT, NUMBERS, TEMPI, YEARS, clean
from retrieval.core.payload import MAX_VALUES, FieldType, PayloadValue, Scalar

Cell = str | int | float | bool | None | list[str | int | float | bool | None]
"""A cell as read: text from CSV; text, numbers, truth values and lists of them from JSON."""

TYPE_NAMES: Mapping[str, FieldType] = {
    "int": FieldType.INTEGER,
    "integer": FieldType.INTEGER,
    "float": FieldType.FLOAT,
    "number": FieldType.FLOAT,
    "bool": FieldType.BOOLEAN,
    "boolean": FieldType.BOOLEAN,
    "datetime": FieldType.DATETIME,
    "date": FieldType.DATETIME,
    "keyword": FieldType.KEYWORD,
    "text": FieldType.TEXT,
}
"""What may follow the colon of a column called ``name:type``."""

_TRUTH = {"true": True, "yes": True, "false": False, "no": False}
# A leading zero marks a code (a catalogue number, a postcode) and no quantity.
_INTEGER = re.compile(r"^[+-]?(0|[1-9]\d{0,15})$")
_FLOAT = re.compile(r"^[+-]?(0|[1-9]\d*)?(\.\d+)?([eE][+-]?\d{1,3})?$")
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?$")
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "year": YEARS,
    "bpm": TEMPI,
    "track_number": NUMBERS,
    "disc_number": NUMBERS,
}


class CellError(ValueError):
    """A cell that does not fit its column; the message says why."""


def infer_type(cells: Iterable[Cell]) -> FieldType:
    """The narrowest type that all filled cells fit.

    In this order: INTEGER, FLOAT, BOOLEAN (true, false, yes, no), DATETIME (ISO 8601 dates, with or
    without a time), TEXT if any cell has several words, else KEYWORD.
    """
    values = [item for cell in cells for item in _items(cell)]
    kinds = (FieldType.INTEGER, FieldType.FLOAT, FieldType.BOOLEAN, FieldType.DATETIME)
    for kind in kinds if values else ():
        if all(_reads(kind, value) for value in values):
            return kind
    several_words = any(isinstance(v, str) and " " in v.strip() for v in values)
    return FieldType.TEXT if several_words else FieldType.KEYWORD


def read_cell(
    name: str, kind: FieldType, cell: Cell, *, split: bool = False
) -> PayloadValue | None:
    """The payload value of a cell, or None if it is empty.

    Args:
        name: The field, for the bounds of standard ones (year, bpm, numbers).
        kind: Type to read it as.
        cell: The cell.
        split: Take ';' in text as a separator of several values.

    Raises:
        CellError: The cell does not fit.
    """
    items = _items(cell)
    if split:
        items = [part for item in items for part in (item.split(";") if _is_text(item) else [item])]
    values: list[Scalar] = []
    for item in items:
        value = _READERS[kind](item)
        if value == "":
            continue
        if name in _BOUNDS and isinstance(value, int | float):
            low, high = _BOUNDS[name]
            if not low <= value <= high:
                raise CellError(f"{value} is outside {low:g}..{high:g}")
        if value not in values:
            values.append(value)
    if len(values) > MAX_VALUES:
        raise CellError(f"more than {MAX_VALUES} values")
    if not values:
        return None
    return tuple(values) if split or isinstance(cell, list) else values[0]


def _items(cell: Cell) -> list[str | int | float | bool]:
    cells = cell if isinstance(cell, list) else [cell]
    return [
        item for item in cells if item is not None and not (_is_text(item) and not item.strip())
    ]


def _is_text(item: object) -> TypeGuard[str]:
    return isinstance(item, str)


def _reads(kind: FieldType, value: Scalar) -> bool:
    try:
        _READERS[kind](value)
    except CellError:
        return False
    return True


def _integer(item: Scalar) -> int:
    if isinstance(item, str) and _INTEGER.match(item.strip()):
        item = int(item)
    if isinstance(item, bool) or not isinstance(item, int):
        raise CellError(f"{_shown(item)} is not a whole number")
    if abs(item) >= 2**53:
        raise CellError(f"{_shown(item)} is too large for a whole number")
    return item


def _float(item: Scalar) -> float:
    if isinstance(item, str) and _FLOAT.match(item.strip()) and any(c.isdigit() for c in item):
        item = float(item)
    if isinstance(item, bool) or not isinstance(item, int | float) or abs(item) > 1.7e308:
        raise CellError(f"{_shown(item)} is not a number")
    if not math.isfinite(item):
        raise CellError(f"{_shown(item)} is not a finite number")
    return float(item)


def _boolean(item: Scalar) -> bool:
    if isinstance(item, bool):
        return item
    truth = _TRUTH.get(item.strip().lower()) if isinstance(item, str) else None
    if truth is None:
        raise CellError(f"{_shown(item)} is none of true, false, yes, no")
    return truth


def _datetime(item: Scalar) -> str:
    text = item.strip() if isinstance(item, str) else ""
    try:
        moment = datetime.fromisoformat(text) if _DATE.match(text) else None
        if moment is not None:
            # A date without a zone is taken as UTC: ranges compare instants.
            zone = moment.tzinfo or UTC
            return moment.replace(tzinfo=zone).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        pass
    raise CellError(f"{_shown(item)} is not a date (write 2024-05-31 or 2024-05-31T18:00:00Z)")


def _words(item: Scalar) -> str:
    if not isinstance(item, str):
        item = str(item).lower() if isinstance(item, bool) else str(item)
    return clean(item, MAX_COMMENT)


def _shown(item: object) -> str:
    return repr(item)[:80]


_READERS: Mapping[FieldType, Callable[[Scalar], Scalar]] = {
    FieldType.INTEGER: _integer,
    FieldType.FLOAT: _float,
    FieldType.BOOLEAN: _boolean,
    FieldType.DATETIME: _datetime,
    FieldType.KEYWORD: _words,
    FieldType.TEXT: _words,
}
