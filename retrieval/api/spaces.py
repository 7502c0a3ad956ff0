"""Embedding spaces, payload fields, statistics, and the library that has them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar

from retrieval.api.checks import all_finite, entry, enum_value, invalid, join, required
from retrieval.api.v1 import library_pb2, types_pb2
from retrieval.core.errors import InvalidInputError
from retrieval.core.library import SpaceStatus
from retrieval.core.payload import Field, FieldType
from retrieval.core.spaces import (
    Anchor,
    Distance,
    EmbeddingSpace,
    Level,
    Modality,
    Statistics,
)
from retrieval.core.tracks import LibraryInfo

E = TypeVar("E", bound=Enum)


def _numbers(prefix: str, domain: type[E], wire: Mapping[str, int]) -> dict[int, E]:
    return {wire[f"{prefix}_{value.name}"]: value for value in domain}


DISTANCES = _numbers("DISTANCE", Distance, dict(types_pb2.Distance.items()))
MODALITIES = _numbers("MODALITY", Modality, dict(types_pb2.Modality.items()))
LEVELS = _numbers("LEVEL", Level, dict(types_pb2.Level.items()))
FIELD_TYPES = _numbers("FIELD_TYPE", FieldType, dict(types_pb2.FieldType.items()))


def number_of(value: E, prefix: str) -> str:
    """Name of a domain enum's value on the wire; protobuf takes names for numbers."""
    return f"{prefix}_{value.name}"


def encode_space(space: EmbeddingSpace) -> types_pb2.EmbeddingSpace:
    """An embedding space for the wire."""
    message = types_pb2.EmbeddingSpace(
        name=space.name,
        dim=space.dim,
        distance=number_of(space.distance, "DISTANCE"),
        revision=space.revision,
        query_modalities=sorted(number_of(m, "MODALITY") for m in space.query_modalities),
        levels=sorted(number_of(level, "LEVEL") for level in space.levels),
        sparse=space.sparse,
        dims=space.dims,
        float16=space.float16,
    )
    if space.anchor is not None:
        anchor = types_pb2.Anchor(centre=space.anchor.centre, scale=space.anchor.scale)
        message.anchor.CopyFrom(anchor)
    return message


def decode_space(message: types_pb2.EmbeddingSpace, where: str) -> EmbeddingSpace:
    """An embedding space from the wire.

    Raises:
        InvalidInputError: If a part is missing or the parts do not fit together.
    """
    if not message.revision:
        raise invalid(join(where, "revision"), "is required")
    if not message.levels:
        raise invalid(join(where, "levels"), "needs at least one level")
    distance = enum_value(message.distance, DISTANCES, join(where, "distance"))
    modalities = frozenset(
        enum_value(number, MODALITIES, f"{where}.query_modalities[{i}]")
        for i, number in enumerate(message.query_modalities)
    )
    levels = frozenset(
        enum_value(number, LEVELS, f"{where}.levels[{i}]")
        for i, number in enumerate(message.levels)
    )
    try:
        return EmbeddingSpace(
            name=message.name,
            dim=message.dim,
            distance=distance,
            revision=message.revision,
            query_modalities=modalities,
            levels=levels,
            sparse=message.sparse,
            anchor=_anchor(message, where),
            dims=tuple(message.dims),
            float16=message.float16,
        )
    except InvalidInputError as error:
        raise _located(error, where) from None


def _anchor(message: types_pb2.EmbeddingSpace, where: str) -> Anchor | None:
    if not message.HasField("anchor"):
        return None
    return Anchor(
        all_finite(message.anchor.centre, join(where, "anchor.centre")),
        all_finite(message.anchor.scale, join(where, "anchor.scale")),
    )


def encode_field(field: Field) -> types_pb2.Field:
    """A payload field for the wire."""
    return types_pb2.Field(
        name=field.name,
        type=number_of(field.type, "FIELD_TYPE"),
        description=field.description,
        computed=field.computed,
    )


def decode_field(message: types_pb2.Field, where: str) -> Field:
    """A payload field from the wire.

    Raises:
        InvalidInputError: If its name or type is not one.
    """
    kind = enum_value(message.type, FIELD_TYPES, join(where, "type"))
    try:
        return Field(message.name, kind, message.description, message.computed)
    except InvalidInputError as error:
        raise _located(error, where) from None


def encode_statistics(statistics: Statistics) -> types_pb2.Statistics:
    """Statistics for the wire."""
    return types_pb2.Statistics(mean=statistics.mean, std=statistics.std, count=statistics.count)


def decode_statistics(message: types_pb2.Statistics, where: str) -> Statistics:
    """Statistics from the wire.

    Raises:
        InvalidInputError: If a value is not finite, or there are not as many stds as means.
    """
    if len(message.mean) != len(message.std):
        raise invalid(where, f"{len(message.mean)} means for {len(message.std)} stds")
    mean = all_finite(message.mean, join(where, "mean"))
    return Statistics(mean, all_finite(message.std, join(where, "std")), message.count)


def encode_library(info: LibraryInfo) -> library_pb2.Library:
    """What a library is made of, for the wire."""
    return library_pb2.Library(
        id=info.id,
        spaces=map(encode_space, info.spaces.values()),
        fields=map(encode_field, info.fields.values()),
        statistics={name: encode_statistics(s) for name, s in info.statistics.items()},
    )


def decode_library(message: library_pb2.Library, where: str) -> LibraryInfo:
    """What a library is made of, from the wire.

    Raises:
        InvalidInputError: If any part of it is malformed.
    """
    spaces = [decode_space(s, f"{where}.spaces[{i}]") for i, s in enumerate(message.spaces)]
    fields = [decode_field(f, f"{where}.fields[{i}]") for i, f in enumerate(message.fields)]
    return LibraryInfo(
        id=message.id,
        spaces={space.name: space for space in spaces},
        fields={field.name: field for field in fields},
        statistics={
            name: decode_statistics(s, entry(join(where, "statistics"), name))
            for name, s in message.statistics.items()
        },
    )


def encode_space_status(status: SpaceStatus) -> library_pb2.SpaceStatus:
    """A space with its standing in the library, for the wire."""
    message = library_pb2.SpaceStatus(
        space=encode_space(status.space),
        track_count=status.tracks,
        encoder_available=status.encoder,
        problem=status.problem,
    )
    if status.statistics is not None:
        message.statistics.CopyFrom(encode_statistics(status.statistics))
    return message


def decode_space_status(message: library_pb2.SpaceStatus, where: str) -> SpaceStatus:
    """A space with its standing in the library, from the wire.

    Raises:
        InvalidInputError: If any part of it is malformed.
    """
    statistics = (
        decode_statistics(message.statistics, join(where, "statistics"))
        if message.HasField("statistics")
        else None
    )
    space = decode_space(required(message, "space", where), join(where, "space"))
    return SpaceStatus(
        space, message.track_count, statistics, message.encoder_available, message.problem
    )


def _located(error: InvalidInputError, where: str) -> InvalidInputError:
    return invalid(where, error.message, error.reason)
