"""Tables to train on: UTF-8 CSV, one header line, checked cell by cell.

The dimensions of a picture may go by the names of ``VIDEO_DIMS`` or by those of the originating
models; case, spaces and further columns do not matter.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from retrieval.core.errors import InvalidInputError
from retrieval.core.video import VIDEO_DIMS
from retrieval.encoders.perceptual_dims import DIMS

MAX_BYTES = 512 * 1024 * 1024
_SHOWN = 5

ORIGINAL_NAMES: Mapping[str, str] = dict(
    zip(
        (
            *("人物张力", "场景张力", "叙事节奏", "叙事内容", "形象亲缘", "动作能量"),
            *("色彩轻重", "色彩冷暖", "动作幅度", "画面唤醒度", "画面效价"),
        ),
        VIDEO_DIMS,
        strict=True,
    )
)
"""Names in the source of the eleven dimensions, and ours."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_096)]


def _none_if_blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


MaybeText = Annotated[Text | None, BeforeValidator(_none_if_blank)]
MaybeNumber = Annotated[float | None, BeforeValidator(_none_if_blank)]
Part = Annotated[
    Literal["train", "validation", "test"] | None,
    BeforeValidator(lambda value: value.strip().lower() or None if value else None),
]


class Row(BaseModel):
    """What rows of both tables have; a subclass adds its own.

    Attributes:
        line: Where in the file the row ends, from 1.
        video: Which clip.
        source: Which film, series or account the clip is from; the clip itself if blank.
        clip: A ``.npz`` file of its series and frame embeddings, relative to the table.
        split: Which part the row goes to; blank leaves it to Segue.
        picture: Dimensions of the clip in the order of ``VIDEO_DIMS``; None where blank.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    line: int
    video: Text
    source: MaybeText = None
    clip: MaybeText = None
    split: Part = None
    picture: tuple[MaybeNumber, ...]


class PairRow(Row):
    """A clip and the music that was chosen for it.

    Attributes:
        track: Which music.
        emotion: A label, or None.
        embedding: A ``.npy`` file with the track's vector, relative to the table.
        sound: Ten values in the order of the perceptual dimensions; None where blank.
    """

    track: Text
    emotion: MaybeText = None
    embedding: MaybeText = None
    sound: tuple[MaybeNumber, ...]


R = TypeVar("R", bound=Row)

VECTORS: Mapping[str, tuple[str, ...]] = {"picture": VIDEO_DIMS, "sound": DIMS}
"""Fields of rows that several columns make up."""


def read_rows(path: Path, kind: type[R]) -> list[R]:
    """Every row of a table.

    Args:
        path: The file; comma, semicolon or tab between cells.
        kind: What a row is.

    Raises:
        InvalidInputError: INVALID_METADATA if the file is no such table; names the line and column
            of the first cells that do not fit.
    """
    text = _read_text(path)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[R] = []
    problems: list[str] = []
    try:
        names = _columns(path, next(reader, []), kind)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{path}, line {reader.line_num}"
            if len(cells) != len(names):
                problems.append(f"{where}: {len(cells)} cells, the header has {len(names)}")
            else:
                try:
                    rows.append(kind.model_validate(_row(names, cells, kind, reader.line_num)))
                except ValidationError as error:
                    problems += [f"{where}, {problem}" for problem in _problems(error)]
            if len(problems) >= _SHOWN:
                break
    except csv.Error as error:
        raise bad(f"{path}, line {reader.line_num}: not CSV ({error})") from error
    if problems:
        raise bad("\n".join(problems[:_SHOWN]))
    if not rows:
        raise bad(f"{path}: there are no rows below the header")
    return rows


def bad(message: str) -> InvalidInputError:
    """The error of a table that cannot be used."""
    return InvalidInputError(message, reason="INVALID_METADATA")


def _columns(path: Path, header: Sequence[str], kind: type[Row]) -> list[str]:
    names = [name.strip().lower().replace(" ", "_") for name in header]
    names = [ORIGINAL_NAMES.get(name, name) for name in names]
    needed: list[str] = [name for name in ("video", "track") if name in kind.model_fields]
    if "sound" in kind.model_fields and not set(names).isdisjoint(DIMS):
        needed += DIMS
    missing = [name for name in needed if name not in names]
    if missing:
        raise bad(f"{path}, line 1: columns are missing: {', '.join(missing)}")
    known = {*kind.model_fields, *VIDEO_DIMS, *DIMS} - VECTORS.keys() - {"line"}
    double = sorted({name for name in names if name in known and names.count(name) > 1})
    if double:
        raise bad(f"{path}, line 1: there are two columns {', '.join(double)}")
    return names


def _row(
    names: Sequence[str], cells: Sequence[str], kind: type[Row], line: int
) -> dict[str, object]:
    by_name = dict(zip(names, cells, strict=True))
    row: dict[str, Any] = {f: by_name[f] for f in kind.model_fields if f in by_name}
    for field, dims in VECTORS.items():
        if field in kind.model_fields:
            row[field] = tuple(by_name.get(name, "").strip() for name in dims)
    return row | {"line": line}


def _problems(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_url=False):
        field, *rest = one["loc"]
        dims = VECTORS.get(str(field))
        column = dims[rest[0]] if dims and rest and isinstance(rest[0], int) else field
        yield f"column {column!r}: {one['msg']}, got {str(one['input'])[:40]!r}"


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise bad(f"{path}: larger than {MAX_BYTES} bytes")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{path}: not UTF-8 text: byte {error.start} ({error.reason}); save it as UTF-8"
        raise bad(message) from error
    except OSError as error:
        raise bad(f"{path}: cannot be read: {error.strerror}") from error
