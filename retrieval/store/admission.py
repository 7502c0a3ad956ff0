"""The door of every store: what may be written, checked before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.payload import FieldType, check_payload
from retrieval.core.spaces import Distance, Level, Vector, check_vector
from retrieval.core.tracks import LibraryInfo, TrackRecord, TrackUpdate, check_track_id
from retrieval.store.ranking import space_of
from retrieval.store.weighted import expand


def admit_records(info: LibraryInfo, records: Sequence[TrackRecord]) -> tuple[TrackRecord, ...]:
    """The records to write, the last one of each id, all checked.

    Raises:
        InvalidInputError: If an id, a payload, a span or a vector cannot be stored.
        PreconditionError: SPACE_UNAVAILABLE if a vector is in a space, or at a level, that the
            library does not have.
    """
    for record in records:
        check_track_id(record.id)
        where = f"track {record.id}"
        check_payload(record.payload, info.fields, where=where)
        _check_vectors(info, record.vectors, Level.TRACK, where)
        spans = set()
        for segment in record.segments:
            if segment.span in spans:
                raise InvalidInputError(
                    f"{where}: two segments span {segment.span.start}..{segment.span.end} s"
                )
            spans.add(segment.span)
            at = f"{where}, segment at {segment.span.start} s"
            _check_vectors(info, segment.vectors, Level.SEGMENT, at)
    return tuple({record.id: record for record in records}.values())


def admit_updates(info: LibraryInfo, updates: Sequence[TrackUpdate]) -> tuple[TrackUpdate, ...]:
    """The updates to apply, all checked, in order.

    Raises:
        InvalidInputError: If an id, a payload or a vector cannot be stored.
        PreconditionError: SPACE_UNAVAILABLE if a vector is in a space that the library has not.
    """
    for update in updates:
        check_track_id(update.id)
        where = f"track {update.id}"
        check_payload(update.payload, info.fields, where=where)
        _check_vectors(info, update.vectors, Level.TRACK, where)
    return tuple(updates)


def check_facet(info: LibraryInfo, name: str) -> None:
    """Reject a field whose values cannot be counted.

    Raises:
        InvalidInputError: INVALID_FIELD for unknown, float and datetime fields.
    """
    field = info.fields.get(name)
    if field is None:
        known = ", ".join(sorted(info.fields))
        raise InvalidInputError(
            f"there is no field {name!r}; this library has: {known}", reason="INVALID_FIELD"
        )
    if field.type in (FieldType.FLOAT, FieldType.DATETIME):
        raise InvalidInputError(
            f"field {name!r} is {field.type.value}: its values are too many to count; use a range",
            reason="INVALID_FIELD",
        )


def _check_vectors(
    info: LibraryInfo, vectors: Mapping[str, Vector], level: Level, where: str
) -> None:
    for name, vector in vectors.items():
        space = space_of(info, name)
        if level not in space.levels:
            raise PreconditionError(f"{where}: space {name!r} has no {level.value} vectors")
        check_vector(space, vector, where=f"{where}, space {name!r}")
        if space.distance is Distance.WEIGHTED_EUCLIDEAN and isinstance(vector, np.ndarray):
            expand(space, vector)
