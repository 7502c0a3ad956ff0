"""Validate a request, and plan which spaces each of its queries is asked in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.filters import All, Filter, Not, TrackIds, check_filter
from retrieval.core.payload import Field
from retrieval.core.queries import (
    MAX_LIMIT,
    MAX_OFFSET,
    MAX_QUERIES,
    LeftOut,
    RecommendRequest,
    SearchRequest,
)
from retrieval.core.spaces import EmbeddingSpace
from retrieval.core.tracks import LibraryInfo
from retrieval.search.encoding import Encoding
from retrieval.search.queries import kind_of
from retrieval.search.queries.examples import Examples
from retrieval.search.queries.kind import Asked, QueryKind

MAX_SEGMENTS = 20
MAX_WEIGHT = 1e6
MAX_RRF_K = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What to ask.

    Attributes:
        asked: Every query with its spaces, in the order of the request.
        filter: The request's filter, less the tracks that are left out of the answer.
        left_out: Spaces that would be asked by default, were they of the encoder's revision.
    """

    asked: tuple[Asked[Any], ...]
    filter: Filter | None
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    query: object
    weight: float
    spaces: tuple[str, ...]
    space_weights: Mapping[str, float]
    where: str


def _parts(request: SearchRequest | RecommendRequest) -> list[_Part]:
    if isinstance(request, RecommendRequest):
        examples = Examples(request.positive, request.negative)
        return [_Part(examples, 1.0, request.spaces, request.space_weights, "")]
    return [
        _Part(one.query, one.weight, one.spaces, one.space_weights, f"queries[{place}].")
        for place, one in enumerate(request.queries)
    ]


def validate(request: SearchRequest | RecommendRequest, info: LibraryInfo) -> None:
    """Reject a request that can never work in this library.

    Raises:
        InvalidInputError: Names the part of the request and its bounds.
    """
    _within("limit", request.limit, 1, MAX_LIMIT)
    _within("offset", request.offset, 0, MAX_OFFSET)
    _within("segments", request.segments, 0, MAX_SEGMENTS)
    _within("fusion.k", request.fusion.k, 1, MAX_RRF_K)
    _check_min_fit(request.min_fit)
    if isinstance(request, SearchRequest):
        _within("queries", len(request.queries), 1, MAX_QUERIES)
    check_scope(request.filter, request.payload_fields, info.fields)
    for part in _parts(request):
        _check_weight(f"{part.where}weight", part.weight)
        for name, weight in part.space_weights.items():
            _check_weight(f"{part.where}space_weights[{name[:80]!r}]", weight)
        kind_of(part.query).check(part.query, part.where)


def check_scope(
    filter: Filter | None, payload_fields: Sequence[str] | None, fields: Mapping[str, Field]
) -> None:
    """Reject a filter or a list of payload fields that does not fit the library's fields.

    Raises:
        InvalidInputError: INVALID_FILTER or INVALID_FIELD.
    """
    if filter is not None:
        check_filter(filter, fields)
    for name in payload_fields or ():
        if name not in fields:
            known = ", ".join(sorted(fields))
            raise InvalidInputError(
                f"payload_fields: there is no field {name[:80]!r}; this library has: {known}",
                reason="INVALID_FIELD",
                metadata={"field": name[:80]},
            )


def make_plan(
    request: SearchRequest | RecommendRequest, info: LibraryInfo, encoding: Encoding
) -> Plan:
    """Choose the spaces of every query, and what is left out of the answer.

    Raises:
        PreconditionError: SPACE_UNAVAILABLE, REVISION_MISMATCH or MODEL_MISSING if a query can be
            asked in no space, or not in one that it names; ``spaces`` in the metadata lists those
            there are.
        InvalidInputError: If a named space does not take this kind of query.
    """
    asked: list[Asked[Any]] = []
    excluded: dict[str, None] = {}
    outdated: dict[str, EmbeddingSpace] = {}
    for index, part in enumerate(_parts(request)):
        kind = kind_of(part.query)
        named = tuple(dict.fromkeys((*part.spaces, *kind.names(part.query))))
        if named:
            where = f"{part.where}spaces"
            spaces = [_named(name, kind, where, info, encoding) for name in named]
        else:
            spaces = _defaults(part, kind, info, encoding)
            outdated |= _outdated(kind, info, encoding)
        _check_weighted(part, kind, spaces, info, encoding)
        shares = {s.name: part.weight * part.space_weights.get(s.name, 1.0) for s in spaces}
        asked.append(Asked(index, part.query, shares, tuple(spaces), bool(named), part.where))
        excluded.update(dict.fromkeys(kind.excluded(part.query)))
    left_out = tuple(
        LeftOut(name, "REVISION_MISMATCH", encoding.problem(space))
        for name, space in sorted(outdated.items())
    )
    return Plan(tuple(asked), _without(request.filter, tuple(excluded)), left_out)


def _check_weighted(
    part: _Part,
    kind: QueryKind[Any],
    spaces: Sequence[EmbeddingSpace],
    info: LibraryInfo,
    encoding: Encoding,
) -> None:
    asked = [space.name for space in spaces]
    where = f"{part.where}space_weights"
    for name in part.space_weights:
        if name not in asked:
            _named(name, kind, where, info, encoding)
            raise InvalidInputError(
                f"{where}: space {name!r} has a weight but is not asked; "
                f"this query asks: {', '.join(asked)}",
                metadata={"field": where, "space": name},
            )


def _named(
    name: str, kind: QueryKind[Any], where: str, info: LibraryInfo, encoding: Encoding
) -> EmbeddingSpace:
    space = info.spaces.get(name)
    there_are = ",".join(sorted(info.spaces))
    if space is None:
        raise PreconditionError(
            f"{where}: this library has no space {name[:80]!r}; it has: "
            f"{there_are.replace(',', ', ') or 'none'}",
            reason="SPACE_UNAVAILABLE",
            metadata={"space": name[:80], "spaces": there_are},
        )
    if not kind.takes(space):
        fitting = ", ".join(sorted(s.name for s in info.spaces.values() if kind.takes(s)))
        raise InvalidInputError(
            f"{where}: space {name!r} takes no {kind.name} queries; these do: {fitting or 'none'}",
            metadata={"field": where, "space": name, "spaces": there_are},
        )
    if kind.encoded:
        _check_encoder(space, there_are, where, encoding)
    return space


def _check_encoder(space: EmbeddingSpace, there_are: str, where: str, encoding: Encoding) -> None:
    problem = encoding.problem(space)
    if not problem:
        return
    metadata = {"space": space.name, "spaces": there_are, "library_revision": space.revision}
    revision = encoding.revision(space)
    if revision is not None:
        metadata["encoder_revision"] = revision
    raise PreconditionError(
        f"{where}: {problem}",
        reason="MODEL_MISSING" if revision is None else "REVISION_MISMATCH",
        metadata=metadata,
    )


def _defaults(
    part: _Part, kind: QueryKind[Any], info: LibraryInfo, encoding: Encoding
) -> list[EmbeddingSpace]:
    there_are = ",".join(sorted(info.spaces))
    taking = [space for _, space in sorted(info.spaces.items()) if kind.takes(space)]
    usable = [space for space in taking if not kind.encoded or encoding.has(space)]
    spaces = list(kind.defaults(part.query, usable, part.where))
    if spaces:
        return spaces
    for space in sorted(taking, key=lambda space: encoding.revision(space) is None):
        _check_encoder(space, there_are, f"{part.where}spaces", encoding)
    raise PreconditionError(
        f"{part.where}spaces: no space of this library takes {kind.name} queries; it has: "
        f"{there_are.replace(',', ', ') or 'none'}",
        reason="SPACE_UNAVAILABLE",
        metadata={"spaces": there_are},
    )


def _outdated(
    kind: QueryKind[Any], info: LibraryInfo, encoding: Encoding
) -> dict[str, EmbeddingSpace]:
    """Spaces for which such queries are encoded here by another revision than the library's."""
    return {
        name: space
        for name, space in info.spaces.items()
        if kind.encoded and kind.takes(space)
        if encoding.revision(space) not in {None, space.revision}
    }


def _without(filter: Filter | None, excluded: tuple[str, ...]) -> Filter | None:
    if not excluded:
        return filter
    others = Not(TrackIds(excluded))
    if filter is None:
        return others
    if isinstance(filter, All):
        return All((*filter.parts, others))
    return All((filter, others))


def _check_weight(name: str, value: float) -> None:
    if not (math.isfinite(value) and 0.0 < value <= MAX_WEIGHT):
        raise InvalidInputError(
            f"{name}: above 0 and at most 1e6, got {value}", metadata={"field": name}
        )


def _check_min_fit(value: float | None) -> None:
    if value is not None and not 0.0 <= value <= 1.0:
        raise InvalidInputError(f"min_fit: 0 to 1, got {value}", metadata={"field": "min_fit"})


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InvalidInputError(f"{name}: {low} to {high}, got {value}", metadata={"field": name})
