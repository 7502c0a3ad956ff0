"""Searches and recommendations."""

from __future__ import annotations

from typing import Protocol

from retrieval.api.checks import all_finite, entry, enum_value, finite, invalid, join, kind_of
from retrieval.api.checks import required as required_field
from retrieval.api.filters import decode_filter, encode_filter
from retrieval.api.masks import HitMask, decode_hit_mask, encode_hit_mask
from retrieval.api.names import track_id, track_ids, track_name
from retrieval.api.v1 import search_pb2 as pb
from retrieval.api.v1 import types_pb2
from retrieval.api.vectors import decode_span, encode_span
from retrieval.core.filters import Filter
from retrieval.core.payload import FIELD_NAME
from retrieval.core.queries import (
    MAX_LIMIT,
    MAX_QUERIES,
    AudioQuery,
    Fusion,
    FusionMethod,
    Query,
    RecommendRequest,
    Scaling,
    SearchRequest,
    SegmentQuery,
    TextQuery,
    TrackQuery,
    VectorQuery,
    WeightedQuery,
)

DEFAULT_LIMIT = 10
DEFAULT_SEGMENTS = 3

_SCALINGS: dict[int, Scaling] = {
    pb.SCALING_STANDARDISED: Scaling.STANDARDISED,
    pb.SCALING_RAW: Scaling.RAW,
}
_METHODS: dict[int, FusionMethod] = {
    pb.FUSION_METHOD_RRF: FusionMethod.RRF,
    pb.FUSION_METHOD_WEIGHTED_SCORE: FusionMethod.WEIGHTED_SCORE,
}
_INT32 = 2**31


def page_size(size: int, default: int, where: str = "page_size") -> int:
    """The number of items to return: 0 means the default, too many are taken as 1000.

    Raises:
        InvalidInputError: If it is negative.
    """
    if size < 0:
        raise invalid(where, f"must not be negative, got {size}")
    return min(size, MAX_LIMIT) or default


def check_limit(limit: int, where: str = "limit") -> int:
    """A caller's limit for the wire, where 0 would mean the default and too many are cut.

    Raises:
        InvalidInputError: Unless it is 1 to 1000.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise invalid(where, f"must be 1 to {MAX_LIMIT}, got {limit}")
    return limit


def encode_query(weighted: WeightedQuery, where: str) -> pb.Query:
    """One query of a search for the wire.

    Raises:
        InvalidInputError: If a track id is not one.
    """
    message = pb.Query(weight=weighted.weight, spaces=weighted.spaces)
    match weighted.query:
        case TextQuery(text=text):
            message.text = text
        case AudioQuery(data=data):
            message.audio = data
        case TrackQuery(track_id=found):
            message.track = track_name(found)
        case SegmentQuery(track_id=found, span=span):
            segment = pb.SegmentQuery(track=track_name(found), span=encode_span(span))
            message.segment.CopyFrom(segment)
        case VectorQuery() as vector:
            message.vector.values.extend(vector.values)
            message.vector.space = _absent(vector.space, join(where, "vector.space"))
            message.vector.scaling = (
                pb.SCALING_RAW if vector.scaling is Scaling.RAW else pb.SCALING_STANDARDISED
            )
            message.vector.weights.update(vector.weights)
            message.vector.dims.extend(vector.dims)
    return message


def _absent(space: str | None, where: str) -> str:
    if space == "":
        raise invalid(where, "is empty; leave it out to choose the space by length")
    return space or ""


def decode_query(message: pb.Query, where: str) -> WeightedQuery:
    """One query of a search from the wire.

    Raises:
        InvalidInputError: If its kind is missing or malformed, or a number is not finite.
    """
    kind = kind_of(message, "kind", where)
    here = join(where, kind)
    query: Query
    match kind:
        case "text":
            query = TextQuery(message.text)
        case "audio":
            query = AudioQuery(message.audio)
        case "track":
            query = TrackQuery(track_id(message.track, here))
        case "segment":
            track = track_id(message.segment.track, join(here, "track"))
            span = required_field(message.segment, "span", here)
            query = SegmentQuery(track, decode_span(span, join(here, "span")))
        case _:
            query = _decode_vector_query(message.vector, here)
    weight = finite(message.weight, join(where, "weight")) if message.HasField("weight") else 1.0
    return WeightedQuery(query, weight, tuple(message.spaces))


def _decode_vector_query(message: pb.VectorQuery, where: str) -> VectorQuery:
    values = all_finite(message.values, join(where, "values"))
    weights = {
        dim: finite(weight, entry(join(where, "weights"), dim))
        for dim, weight in message.weights.items()
    }
    return VectorQuery(
        values,
        message.space or None,
        enum_value(message.scaling, _SCALINGS, join(where, "scaling"), Scaling.STANDARDISED),
        weights,
        tuple(message.dims),
    )


def encode_fusion(fusion: Fusion) -> pb.Fusion:
    """The fusion method for the wire.

    Raises:
        InvalidInputError: If ``k`` does not fit the wire.
    """
    if not -_INT32 <= fusion.k < _INT32:
        raise invalid("fusion.k", f"must be at least 1 and fit 32 bits, got {fusion.k}")
    return pb.Fusion(method=f"FUSION_METHOD_{fusion.method.name}", k=fusion.k)


def decode_fusion(message: pb.Fusion, where: str = "fusion") -> Fusion:
    """The fusion method from the wire; what is unset keeps its default.

    Raises:
        InvalidInputError: For an unknown method.
    """
    method = enum_value(message.method, _METHODS, join(where, "method"), FusionMethod.RRF)
    return Fusion(method, message.k if message.HasField("k") else Fusion().k)


class _Paged(Protocol):
    """What the two requests have in common in the domain."""

    @property
    def limit(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def segments(self) -> int: ...
    @property
    def payload_fields(self) -> tuple[str, ...] | None: ...


def _check_paged(request: _Paged) -> None:
    check_limit(request.limit)
    for name, value in (("offset", request.offset), ("segments", request.segments)):
        if not 0 <= value < _INT32:
            raise invalid(name, f"must not be negative, got {value}")
    for field in request.payload_fields or ():
        if FIELD_NAME.fullmatch(field) is None:
            raise invalid("payload_fields", f"{field[:80]!r} is not a field", "INVALID_FIELD")


def encode_filter_or_none(node: Filter | None) -> types_pb2.Filter | None:
    """A filter for the wire, or None to leave the field unset."""
    return None if node is None else encode_filter(node)


def encode_search(request: SearchRequest) -> pb.SearchRequest:
    """A search for the wire.

    Raises:
        InvalidInputError: If a part of it cannot travel unchanged.
    """
    _check_paged(request)
    return pb.SearchRequest(
        queries=[encode_query(q, f"queries[{i}]") for i, q in enumerate(request.queries)],
        filter=encode_filter_or_none(request.filter),
        page_size=request.limit,
        skip=request.offset,
        max_segments=request.segments,
        fusion=encode_fusion(request.fusion),
        read_mask=encode_hit_mask(request.payload_fields),
    )


def encode_recommend(request: RecommendRequest) -> pb.RecommendRequest:
    """A recommendation for the wire.

    Raises:
        InvalidInputError: If a part of it cannot travel unchanged.
    """
    _check_paged(request)
    return pb.RecommendRequest(
        positive=map(track_name, request.positive),
        negative=map(track_name, request.negative),
        spaces=request.spaces,
        filter=encode_filter_or_none(request.filter),
        page_size=request.limit,
        skip=request.offset,
        max_segments=request.segments,
        fusion=encode_fusion(request.fusion),
        read_mask=encode_hit_mask(request.payload_fields),
    )


def decode_search(message: pb.SearchRequest, offset: int) -> tuple[SearchRequest, HitMask]:
    """A search from the wire, and what to return of its hits.

    Args:
        message: The request.
        offset: Where its page starts: the place in its page token, or its ``skip``.

    Raises:
        InvalidInputError: If any part of it is malformed.
    """
    if len(message.queries) > MAX_QUERIES:
        raise invalid("queries", f"takes 1 to {MAX_QUERIES}, got {len(message.queries)}")
    mask = decode_hit_mask(message.read_mask)
    queries = tuple(decode_query(q, f"queries[{i}]") for i, q in enumerate(message.queries))
    request = SearchRequest(
        queries=queries,
        filter=decode_filter(message.filter) if message.HasField("filter") else None,
        limit=page_size(message.page_size, DEFAULT_LIMIT),
        offset=_offset(offset),
        segments=_segments(message, mask),
        fusion=decode_fusion(message.fusion),
        payload_fields=mask.track.payload_fields,
    )
    return request, mask


def decode_recommend(message: pb.RecommendRequest, offset: int) -> tuple[RecommendRequest, HitMask]:
    """A recommendation from the wire, and what to return of its hits; as ``decode_search``."""
    mask = decode_hit_mask(message.read_mask)
    request = RecommendRequest(
        positive=track_ids(message.positive, "positive"),
        negative=track_ids(message.negative, "negative"),
        spaces=tuple(message.spaces),
        filter=decode_filter(message.filter) if message.HasField("filter") else None,
        limit=page_size(message.page_size, DEFAULT_LIMIT),
        offset=_offset(offset),
        segments=_segments(message, mask),
        fusion=decode_fusion(message.fusion),
        payload_fields=mask.track.payload_fields,
    )
    return request, mask


def _offset(offset: int) -> int:
    if offset < 0:
        raise invalid("skip", f"must not be negative, got {offset}")
    return offset


def _segments(message: pb.SearchRequest | pb.RecommendRequest, mask: HitMask) -> int:
    if message.max_segments < 0:
        raise invalid("max_segments", f"must not be negative, got {message.max_segments}")
    if not mask.segments:
        return 0
    return message.max_segments if message.HasField("max_segments") else DEFAULT_SEGMENTS
