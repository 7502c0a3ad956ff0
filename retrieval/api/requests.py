"""Searches and recommendations: queries with filter, page and mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from retrieval.api.checks import finite, invalid
from retrieval.api.filters import decode_filter, encode_filter
from retrieval.api.masks import HitMask, decode_hit_mask, encode_hit_mask
from retrieval.api.names import track_ids, track_name
from retrieval.api.queries import (
    INT32,
    decode_fusion,
    decode_query,
    encode_fusion,
    encode_query,
)
from retrieval.api.scoring import decode_weights
from retrieval.api.v1 import search_pb2 as pb
from retrieval.api.v1 import types_pb2
from retrieval.core.filters import Filter
from retrieval.core.payload import FIELD_NAME
from retrieval.core.queries import (
    MAX_LIMIT,
    MAX_QUERIES,
    RecommendRequest,
    SearchRequest,
    VideoQuery,
    WeightedQuery,
)

DEFAULT_LIMIT = 10
DEFAULT_VIDEO_LIMIT = 5
DEFAULT_SEGMENTS = 3


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
        if not 0 <= value < INT32:
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
        min_fit=request.min_fit,
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
        min_fit=request.min_fit,
        space_weights=request.space_weights,
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
        limit=page_size(message.page_size, _default_limit(queries)),
        offset=_offset(offset),
        segments=_segments(message, mask),
        fusion=decode_fusion(message.fusion),
        payload_fields=mask.track.payload_fields,
        min_fit=_min_fit(message),
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
        min_fit=_min_fit(message),
        space_weights=decode_weights(message.space_weights, "space_weights"),
    )
    return request, mask


def _default_limit(queries: Sequence[WeightedQuery]) -> int:
    videos = queries and all(isinstance(one.query, VideoQuery) for one in queries)
    return DEFAULT_VIDEO_LIMIT if videos else DEFAULT_LIMIT


def _offset(offset: int) -> int:
    if offset < 0:
        raise invalid("skip", f"must not be negative, got {offset}")
    return offset


def _min_fit(message: pb.SearchRequest | pb.RecommendRequest) -> float | None:
    return finite(message.min_fit, "min_fit") if message.HasField("min_fit") else None


def _segments(message: pb.SearchRequest | pb.RecommendRequest, mask: HitMask) -> int:
    if message.max_segments < 0:
        raise invalid("max_segments", f"must not be negative, got {message.max_segments}")
    if not mask.segments:
        return 0
    return message.max_segments if message.HasField("max_segments") else DEFAULT_SEGMENTS
