"""The two files beside exported vectors that let an import know their tracks again.

``space.json`` describes the space and the payload fields; ``tracks.jsonl`` has one line per file::

    {"file": "album/song.npy", "track": "637b…", "space": "clamp3", "revision": "clamp3-9f…",
     "dim": 768, "paths": ["/music/album/song.flac"], "payload": {"title": "Song", …}}

Both may come from strangers: they are bounded and validated, and no name in them is ever opened.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic import Field as Bounds

from retrieval.core.errors import InvalidInputError
from retrieval.core.payload import MAX_TEXT, MAX_VALUES, Field, FieldType, Payload
from retrieval.core.spaces import MAX_DIM, Anchor, Distance, EmbeddingSpace, Level, Modality
from retrieval.core.tracks import TRACK_ID

SPACE_FILE = "space.json"
TRACKS_FILE = "tracks.jsonl"
FORMAT = 1
MAX_HEAD = 1024 * 1024
MAX_LINE = 1024 * 1024
MAX_TRACKS = 20_000_000
MAX_REVISION = 200

_Scalar = Annotated[str, StringConstraints(max_length=MAX_TEXT)] | int | float | bool
_Values = Annotated[list[_Scalar], Bounds(max_length=MAX_VALUES)]
_Word = Annotated[str, StringConstraints(max_length=64)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class _AnchorHead(_Strict):
    centre: Annotated[list[float], Bounds(max_length=MAX_DIM)]
    scale: Annotated[list[float], Bounds(max_length=MAX_DIM)]


class _SpaceHead(_Strict):
    name: Annotated[str, StringConstraints(max_length=48)]
    revision: Annotated[str, StringConstraints(min_length=1, max_length=MAX_REVISION)]
    dim: Annotated[int, Bounds(ge=1, le=MAX_DIM)]
    distance: _Word
    query_modalities: Annotated[list[_Word], Bounds(max_length=10)] = []
    levels: Annotated[list[_Word], Bounds(max_length=10)] = [Level.TRACK.value]
    anchor: _AnchorHead | None = None
    dims: Annotated[list[_Word], Bounds(max_length=MAX_DIM)] = []
    float16: bool = True


class _FieldHead(_Strict):
    name: _Word
    type: _Word
    description: Annotated[str, StringConstraints(max_length=1_000)] = ""
    computed: bool = False


class _Head(_Strict):
    format: Literal[1]
    space: _SpaceHead
    fields: Annotated[list[_FieldHead], Bounds(max_length=1_000)]


class _Line(_Strict):
    file: Annotated[str, StringConstraints(min_length=1, max_length=4_096)]
    track: Annotated[str, StringConstraints(pattern=TRACK_ID.pattern.replace(r"\Z", "$"))]
    payload: Annotated[dict[str, _Scalar | _Values], Bounds(max_length=1_000)]


@dataclass(frozen=True, slots=True)
class NamedTrack:
    """The track that a file of vectors belongs to."""

    track_id: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class Layout:
    """What the two files say.

    Attributes:
        space: Of all vectors in the folder.
        fields: Payload fields, without those every library has.
        tracks: By name of the file relative to the folder, in Unicode normal form.
    """

    space: EmbeddingSpace
    fields: tuple[Field, ...]
    tracks: Mapping[str, NamedTrack]


def normal(name: str) -> str:
    """A relative file name as names compare: file systems differ in how they write accents."""
    return unicodedata.normalize("NFC", name)


def read_layout(folder: Path) -> Layout | None:
    """What an exported folder says of itself; None for any other folder.

    Raises:
        InvalidInputError: INVALID_METADATA if the files are damaged, or only one is there.
    """
    head_path, tracks_path = folder / SPACE_FILE, folder / TRACKS_FILE
    there = [path for path in (head_path, tracks_path) if path.is_file()]
    if not there:
        return None
    if len(there) == 1:
        missing = TRACKS_FILE if there == [head_path] else SPACE_FILE
        raise _bad(there[0], f"{missing} is missing beside it")
    head = _read_head(head_path)
    fields = tuple(_field(head_path, field) for field in head.fields)
    tracks: dict[str, NamedTrack] = {}
    for number, line in enumerate(_lines(tracks_path), start=1):
        name = normal(line.file)
        if name in tracks or number > MAX_TRACKS:
            raise _bad(tracks_path, f"line {number}: {name[:200]!r} is named twice")
        payload = {k: tuple(v) if isinstance(v, list) else v for k, v in line.payload.items()}
        tracks[name] = NamedTrack(line.track, payload)
    return Layout(_space(head_path, head.space), fields, tracks)


def read_head(folder: Path) -> EmbeddingSpace | None:
    """The space of an export's vectors, also of one that was cut short; None without one.

    Raises:
        InvalidInputError: INVALID_METADATA if the file is damaged.
    """
    path = folder / SPACE_FILE
    return _space(path, _read_head(path).space) if path.is_file() else None


def read_files(folder: Path) -> set[str]:
    """The files that a complete export lists; empty without a list.

    Raises:
        InvalidInputError: INVALID_METADATA if the list is damaged.
    """
    path = folder / TRACKS_FILE
    return {normal(line.file) for line in _lines(path)} if path.is_file() else set()


def head_bytes(space: EmbeddingSpace, fields: Iterable[Field]) -> bytes:
    """The content of ``space.json``."""
    anchor = space.anchor
    head = {
        "format": FORMAT,
        "space": {
            "name": space.name,
            "revision": space.revision,
            "dim": space.dim,
            "distance": space.distance.value,
            "query_modalities": sorted(one.value for one in space.query_modalities),
            "levels": sorted(one.value for one in space.levels),
            "anchor": anchor and {"centre": list(anchor.centre), "scale": list(anchor.scale)},
            "dims": list(space.dims),
            "float16": space.float16,
        },
        "fields": [
            {
                "name": field.name,
                "type": field.type.value,
                "description": field.description,
                "computed": field.computed,
            }
            for field in fields
        ],
    }
    return (json.dumps(head, indent=2, ensure_ascii=False) + "\n").encode()


def line_bytes(
    file: str, track_id: str, space: EmbeddingSpace, paths: Sequence[str], payload: Payload
) -> bytes:
    """One line of ``tracks.jsonl``."""
    line: dict[str, Any] = {
        "file": file,
        "track": track_id,
        "space": space.name,
        "revision": space.revision,
        "dim": space.dim,
        "paths": list(paths),
        "payload": dict(payload),
    }
    return (json.dumps(line, ensure_ascii=False) + "\n").encode()


def _read_head(path: Path) -> _Head:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_HEAD + 1)
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror}") from error
    if len(data) > MAX_HEAD:
        raise _bad(path, f"larger than {MAX_HEAD} bytes")
    try:
        return _Head.model_validate_json(data)
    except ValidationError as error:
        raise _bad(path, _first(error)) from error


def _lines(path: Path) -> Iterator[_Line]:
    number = 0
    try:
        with path.open("rb") as stream:
            while line := stream.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    raise _bad(path, f"line {number} is longer than {MAX_LINE} bytes")
                yield _Line.model_validate_json(line)
    except ValidationError as error:
        raise _bad(path, f"line {number}: {_first(error)}") from error
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror}") from error


def _space(path: Path, head: _SpaceHead) -> EmbeddingSpace:
    try:
        told = head.anchor
        anchor = None if told is None else Anchor(tuple(told.centre), tuple(told.scale))
        return EmbeddingSpace(
            name=head.name,
            dim=head.dim,
            distance=Distance(head.distance),
            revision=head.revision,
            query_modalities=frozenset(map(Modality, head.query_modalities)),
            levels=frozenset(map(Level, head.levels)),
            anchor=anchor,
            dims=tuple(head.dims),
            float16=head.float16,
        )
    except (ValueError, InvalidInputError) as error:
        raise _bad(path, f"space: {error}") from error


def _field(path: Path, head: _FieldHead) -> Field:
    try:
        return Field(head.name, FieldType(head.type), head.description, head.computed)
    except (ValueError, InvalidInputError) as error:
        raise _bad(path, f"field {head.name!r}: {error}") from error


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:200]
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def _bad(path: Path, message: str) -> InvalidInputError:
    return InvalidInputError(
        f"{path}: {message}; export again, or move {SPACE_FILE} and {TRACKS_FILE} away to import "
        "by file name",
        reason="INVALID_METADATA",
        metadata={"file": str(path)},
    )
