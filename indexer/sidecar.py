"""A metadata sidecar: a CSV or JSON file with more payload for the files being indexed.

One column names the file: ``path``, ``file``, ``filename``, ``file_path`` or ``filepath``. It may
be absolute, relative to the sidecar's folder or to an indexed folder, or a bare file name that only
one of the indexed files has. Every other column is a payload field: a standard one (title, artist,
genre, …) or a new one, whose type is inferred from its cells or declared as ``name:type``.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from indexer.columns import TYPE_NAMES, Cell, CellError, infer_type, read_cell
from indexer.matching import PathMatcher
from indexer.report import Failure
from indexer.scan import FoundFile
from retrieval.core.errors import InvalidInputError
from retrieval.core.payload import FIELD_NAME, Field, PayloadValue

PATH_COLUMNS = ("path", "file", "filename", "file_path", "filepath")
MAX_BYTES = 512 * 1024 * 1024
MAX_COLUMNS = 256
MAX_CELL = 64 * 1024

_Text = Annotated[str, StringConstraints(max_length=MAX_CELL)]
_Note = Callable[[str], None]
_Scalar = _Text | int | float | bool | None


class _Row(BaseModel):
    """One row of an untrusted file: its place, the file it is about, and its cells by column."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    number: int
    path: Annotated[str, StringConstraints(min_length=1, max_length=4_096)]
    cells: dict[str, _Scalar | list[_Scalar]]


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a metadata file says, matched with the files found.

    Attributes:
        values: Payload fields by absolute path of the file.
        fields: Fields that the library must declare before they can be written.
        notes: Columns, rows and cells that could not be used, with their row number.
    """

    values: Mapping[str, Mapping[str, PayloadValue]]
    fields: tuple[Field, ...]
    notes: tuple[Failure, ...]


def read_sidecar(
    path: Path,
    files: Mapping[str, FoundFile],
    roots: Sequence[str],
    known: Mapping[str, Field],
) -> Sidecar:
    """Read and match a metadata file.

    Args:
        path: The CSV file (comma, semicolon or tab), or the JSON file (a list of objects, or an
            object of objects by path).
        files: The audio files found, by absolute path.
        roots: The indexed folders.
        known: The library's fields by name; their types are kept.

    Returns:
        Values, fields and notes. Rows are numbered as a text editor or spreadsheet counts CSV
        rows (the header is row 1), and from 1 in JSON.

    Raises:
        InvalidInputError: INVALID_METADATA if the file cannot be read, is neither CSV nor JSON, has
            no path column, too many columns, or a column declared with an unknown type.
    """
    raw = _read_json(path) if path.suffix.lower() == ".json" else _read_csv(path)
    notes: list[Failure] = []

    def note(message: str) -> None:
        notes.append(Failure(str(path), "INVALID_METADATA", message))

    rows = _validate(raw, note)
    columns = _columns(path, rows, known, note)
    matcher = PathMatcher(path, files, roots)
    values: dict[str, dict[str, PayloadValue]] = {}
    first_row: dict[str, int] = {}
    for row in rows:
        target, problem = matcher.match(row.path)
        if target is None:
            note(f"row {row.number}: {problem}")
        elif target in values:
            note(
                f"row {row.number}: {row.path!r} has a row already, number {first_row[target]}; "
                "this one is ignored"
            )
        else:
            first_row[target] = row.number
            values[target] = _row_values(row, columns, note)
    return Sidecar(
        values,
        tuple(field for field in columns.values() if field.name not in known),
        tuple(notes),
    )


def _row_values(row: _Row, columns: Mapping[str, Field], note: _Note) -> dict[str, PayloadValue]:
    values: dict[str, PayloadValue] = {}
    for column, cell in row.cells.items():
        field = columns.get(column)
        if field is None:
            continue
        try:
            value = read_cell(field.name, field.type, cell, split=field.name == "genre")
        except CellError as error:
            note(f"row {row.number}, column {column!r}: {error}")
            continue
        if value is not None:
            values[field.name] = value
    return values


def _columns(
    path: Path, rows: Sequence[_Row], known: Mapping[str, Field], note: _Note
) -> dict[str, Field]:
    """The field of every usable column, by the column's own name."""
    names = list(dict.fromkeys(column for row in rows for column in row.cells))
    if len(names) > MAX_COLUMNS:
        raise _bad(path, f"more than {MAX_COLUMNS} columns")
    columns: dict[str, Field] = {}
    for column in names:
        label, _, declared = column.partition(":")
        name = re.sub(r"[\s.-]+", "_", label.strip().lower())
        declared = declared.strip().lower()
        if declared and declared not in TYPE_NAMES:
            raise _bad(
                path, f"column {column!r}: no type {declared!r}; use {', '.join(TYPE_NAMES)}"
            )
        if not FIELD_NAME.match(name):
            note(f"column {column[:80]!r} is ignored: name it with a-z, 0-9 and '_'")
        elif any(field.name == name for field in columns.values()):
            note(f"column {column[:80]!r} is ignored: there is another one called {name!r}")
        elif name in known and known[name].computed:
            note(f"column {column[:80]!r} is ignored: Segue computes {name!r} itself")
        elif declared:
            columns[column] = Field(name, TYPE_NAMES[declared], _description(known, name))
        elif name in known:
            columns[column] = known[name]
        else:
            kind = infer_type(row.cells[column] for row in rows if column in row.cells)
            columns[column] = Field(name, kind, "from the metadata file")
    for column, field in columns.items():
        if field.name in known and known[field.name].type is not field.type:
            raise _bad(
                path,
                f"column {column!r}: the library has {field.name!r} as "
                f"{known[field.name].type.value}; leave the type out",
            )
    return columns


def _description(known: Mapping[str, Field], name: str) -> str:
    """The description a field already has, or that of fields from a sidecar."""
    return known[name].description if name in known else "from the metadata file"


def _validate(raw: Sequence[tuple[int, Any, Any]], note: _Note) -> list[_Row]:
    adapter = TypeAdapter(_Row)
    rows: list[_Row] = []
    for number, place, cells in raw:
        try:
            rows.append(adapter.validate_python({"number": number, "path": place, "cells": cells}))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = first["loc"][1] if first["loc"][0] == "cells" and len(first["loc"]) > 1 else ""
            spot = f", column {str(where)[:80]!r}" if where else ""
            what = "no file is named" if first["loc"][0] == "path" else first["msg"]
            note(f"row {number}{spot}: {what}; the row is ignored")
    return rows


def _read_csv(path: Path) -> list[tuple[int, Any, Any]]:
    text = _read_text(path)
    header_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, Any, Any]] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        place = _path_column(path, header)
        names = [name for i, name in enumerate(header) if i != place and name]
        if len(set(names)) != len(names):
            raise _bad(path, "two columns have the same name")
        # A quoted cell may span lines, so rows are counted and not lines.
        for number, cells in enumerate(reader, start=2):
            if not any(cell.strip() for cell in cells):
                continue
            by_name: dict[str, Cell] = {
                name: cell
                for i, (name, cell) in enumerate(zip(header, cells, strict=False))
                if i != place and name
            }
            rows.append((number, cells[place].strip() if place < len(cells) else "", by_name))
    except csv.Error as error:
        raise _bad(path, f"row {len(rows) + 2} is not CSV: {error}") from error
    return rows


def _read_json(path: Path) -> list[tuple[int, Any, Any]]:
    try:
        content = json.loads(_read_text(path), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _bad(path, f"not JSON: {error}") from error
    if isinstance(content, dict):
        return [(i, place, cells) for i, (place, cells) in enumerate(content.items(), start=1)]
    if not isinstance(content, list):
        raise _bad(path, "the JSON file must hold a list of objects, or objects by path")
    rows: list[tuple[int, Any, Any]] = []
    for number, item in enumerate(content, start=1):
        names = list(item) if isinstance(item, dict) else []
        key = next((n for n in names if n.strip().lower() in PATH_COLUMNS), None)
        cells = {n: item[n] for n in names if n != key} if names else item
        rows.append((number, item[key] if key is not None else None, cells))
    return rows


def _path_column(path: Path, header: Sequence[str]) -> int:
    lowered = [name.lower() for name in header]
    for name in PATH_COLUMNS:
        if name in lowered:
            return lowered.index(name)
    raise _bad(path, f"no column names the file; call one of them {', '.join(PATH_COLUMNS)}")


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise _bad(path, "there is no such file")
        if path.stat().st_size > MAX_BYTES:
            raise _bad(path, f"larger than {MAX_BYTES} bytes")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"not UTF-8 text: byte {error.start} ({error.reason}); save it as UTF-8"
        raise _bad(path, message) from error
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _bad(path: Path, message: str) -> InvalidInputError:
    return InvalidInputError(
        f"metadata file {path}: {message}",
        reason="INVALID_METADATA",
        metadata={"file": str(path)},
    )
