"""What a library is made of: how declarations merge, and how the result is kept as JSON."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from retrieval.core.errors import InvalidInputError, PreconditionError, StoreError
from retrieval.core.payload import STANDARD_FIELDS, Field, FieldType
from retrieval.core.spaces import (
    MAX_SPACES,
    Anchor,
    Distance,
    EmbeddingSpace,
    Level,
    Modality,
    Statistics,
)
from retrieval.core.tracks import LibraryInfo

FORMAT = 1


def merge(
    info: LibraryInfo | None,
    spaces: Sequence[EmbeddingSpace],
    fields: Sequence[Field] = (),
    replacing: Collection[str] = (),
) -> LibraryInfo:
    """The library after a declaration; a new one, with a new id, if there was none.

    What only describes (query modalities, names of dimensions, descriptions) follows the newest
    declaration. Statistics of a space that is replaced go with its vectors.

    Raises:
        PreconditionError: REVISION_MISMATCH if a space exists with another revision or shape and
            its name is not among those to replace, FIELD_TYPE_CONFLICT if a field exists with
            another type.
        InvalidInputError: If the library would have more than 64 spaces.
    """
    held = info.spaces if info else {}
    given = {space.name: space for space in spaces}
    changed = [s for s in given.values() if s.name in held and not held[s.name].is_comparable(s)]
    refused = [space for space in changed if space.name not in replacing]
    if refused:
        raise _mismatch(held, refused)
    merged = {**held, **given}
    if len(merged) > MAX_SPACES:
        raise InvalidInputError(
            f"spaces: a library has at most {MAX_SPACES}, this would make {len(merged)}",
            metadata={"field": "spaces", "limit": str(MAX_SPACES)},
        )
    declared = dict(info.fields) if info else {}
    for field in (*STANDARD_FIELDS, *fields):
        known = declared.get(field.name)
        if known is not None and known.type is not field.type:
            raise PreconditionError(
                f"field {field.name!r} is {known.type.value} in this library and cannot become "
                f"{field.type.value}; give the new field another name",
                reason="FIELD_TYPE_CONFLICT",
                metadata={"field": field.name, "library": known.type.value},
            )
        declared[field.name] = field
    return LibraryInfo(
        id=info.id if info else str(uuid.uuid4()),
        spaces=merged,
        fields=declared,
        statistics={
            name: statistics
            for name, statistics in (info.statistics if info else {}).items()
            if all(name != space.name for space in changed)
        },
    )


def replaced(held: LibraryInfo, info: LibraryInfo) -> tuple[EmbeddingSpace, ...]:
    """The spaces of ``info`` that cannot keep the vectors which ``held`` has in them."""
    return tuple(
        space
        for name, space in info.spaces.items()
        if name in held.spaces and not held.spaces[name].is_comparable(space)
    )


def without(info: LibraryInfo, spaces: Collection[str]) -> LibraryInfo:
    """The library without some of its spaces."""
    return replace(
        info,
        spaces={name: space for name, space in info.spaces.items() if name not in spaces},
        statistics={name: s for name, s in info.statistics.items() if name not in spaces},
    )


def with_statistics(info: LibraryInfo, space: str, statistics: Statistics) -> LibraryInfo:
    """The library with a space's statistics replaced.

    Raises:
        PreconditionError: SPACE_UNAVAILABLE if there is no such space, or it keeps no statistics.
    """
    held = info.spaces.get(space)
    if held is None or held.anchor is None:
        raise PreconditionError(f"there is no space {space!r} that keeps statistics")
    if len(statistics.mean) != held.dim or len(statistics.std) != held.dim:
        raise PreconditionError(f"statistics of space {space!r} need {held.dim} values each")
    return LibraryInfo(info.id, info.spaces, info.fields, {**info.statistics, space: statistics})


def to_json(info: LibraryInfo) -> dict[str, Any]:
    """The library as JSON values; ``from_json`` reads them back."""
    return {
        "format": FORMAT,
        "id": info.id,
        "spaces": [_space_json(info.spaces[name]) for name in sorted(info.spaces)],
        "fields": [
            {
                "name": field.name,
                "type": field.type.value,
                "description": field.description,
                "computed": field.computed,
            }
            for field in info.fields.values()
        ],
        "statistics": {
            name: {"mean": list(s.mean), "std": list(s.std), "count": s.count}
            for name, s in sorted(info.statistics.items())
        },
    }


def from_json(data: Mapping[str, Any]) -> LibraryInfo:
    """A library from ``to_json``'s values.

    Raises:
        StoreError: STORE_CORRUPT if they are not of a library, or of a newer format.
    """
    if data.get("format") != FORMAT:
        raise StoreError(
            f"the library has format {data.get('format')!r}, this version reads {FORMAT}; "
            "use the version of Segue that wrote it",
            reason="STORE_CORRUPT",
        )
    try:
        spaces = [_space(entry) for entry in data["spaces"]]
        fields = [
            Field(f["name"], FieldType(f["type"]), f["description"], f["computed"])
            for f in data["fields"]
        ]
        statistics = {
            name: Statistics(tuple(s["mean"]), tuple(s["std"]), s["count"])
            for name, s in data["statistics"].items()
        }
        return LibraryInfo(
            str(data["id"]), {s.name: s for s in spaces}, {f.name: f for f in fields}, statistics
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"the library's description is damaged: {error!r}", reason="STORE_CORRUPT"
        ) from error


def _mismatch(
    held: Mapping[str, EmbeddingSpace], given: Sequence[EmbeddingSpace]
) -> PreconditionError:
    told = "; ".join(
        f"space {space.name!r} of this library is of revision {held[space.name].revision} "
        f"({_words(held[space.name])}), the encoder here makes revision {space.revision} "
        f"({_words(space)})"
        for space in given
    )
    first = given[0].name
    return PreconditionError(
        f"{told}. Vectors of two revisions are never compared: `segue index --upgrade` encodes the "
        "tracks anew, in place and in this alone; or use the encoder it was made with",
        reason="REVISION_MISMATCH",
        metadata={
            "space": first,
            "library": held[first].revision,
            "given": given[0].revision,
            "spaces": ",".join(space.name for space in given),
        },
    )


def _words(space: EmbeddingSpace) -> str:
    levels = " and ".join(sorted(level.value for level in space.levels))
    size = "sparse" if space.sparse else f"{space.dim} dims"
    return f"{size}, {space.distance.value}, {levels}"


def _space_json(space: EmbeddingSpace) -> dict[str, Any]:
    anchor = space.anchor
    return {
        "name": space.name,
        "dim": space.dim,
        "distance": space.distance.value,
        "revision": space.revision,
        "query_modalities": sorted(m.value for m in space.query_modalities),
        "levels": sorted(level.value for level in space.levels),
        "sparse": space.sparse,
        "anchor": anchor and {"centre": list(anchor.centre), "scale": list(anchor.scale)},
        "dims": list(space.dims),
        "float16": space.float16,
    }


def _space(entry: Mapping[str, Any]) -> EmbeddingSpace:
    anchor = entry["anchor"]
    return EmbeddingSpace(
        name=entry["name"],
        dim=entry["dim"],
        distance=Distance(entry["distance"]),
        revision=entry["revision"],
        query_modalities=frozenset(map(Modality, entry["query_modalities"])),
        levels=frozenset(map(Level, entry["levels"])),
        sparse=entry["sparse"],
        anchor=Anchor(tuple(anchor["centre"]), tuple(anchor["scale"])) if anchor else None,
        dims=tuple(entry["dims"]),
        float16=entry["float16"],
    )
