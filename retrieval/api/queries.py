"""Queries of each kind, and how their rankings are fused."""

from __future__ import annotations

from retrieval.api.checks import all_finite, enum_value, finite, invalid, join, kind_of
from retrieval.api.checks import required as required_field
from retrieval.api.names import track_id, track_name
from retrieval.api.scoring import decode_scaling, decode_weights, encode_scaling
from retrieval.api.v1 import search_pb2 as pb
from retrieval.api.vectors import decode_span, encode_span
from retrieval.api.videos import decode_video_query, encode_video_query
from retrieval.core.queries import (
    AudioQuery,
    Fusion,
    FusionMethod,
    Query,
    SegmentQuery,
    TextQuery,
    TrackQuery,
    VectorQuery,
    VideoQuery,
    WeightedQuery,
)

_METHODS: dict[int, FusionMethod] = {
    pb.FUSION_METHOD_RRF: FusionMethod.RRF,
    pb.FUSION_METHOD_WEIGHTED_SCORE: FusionMethod.WEIGHTED_SCORE,
    pb.FUSION_METHOD_FIT: FusionMethod.FIT,
}
INT32 = 2**31


def encode_query(weighted: WeightedQuery, where: str) -> pb.Query:
    """One query of a search for the wire.

    Raises:
        InvalidInputError: If a track id is not one.
    """
    message = pb.Query(
        weight=weighted.weight, spaces=weighted.spaces, space_weights=weighted.space_weights
    )
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
            message.vector.scaling = encode_scaling(vector.scaling)
            message.vector.weights.update(vector.weights)
            message.vector.dims.extend(vector.dims)
        case VideoQuery() as video:
            encode_video_query(video, message.video, join(where, "video"))
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
        case "video":
            query = decode_video_query(message.video, here)
        case _:
            query = _decode_vector_query(message.vector, here)
    weight = finite(message.weight, join(where, "weight")) if message.HasField("weight") else 1.0
    shares = decode_weights(message.space_weights, join(where, "space_weights"))
    return WeightedQuery(query, weight, tuple(message.spaces), shares)


def _decode_vector_query(message: pb.VectorQuery, where: str) -> VectorQuery:
    values = all_finite(message.values, join(where, "values"))
    return VectorQuery(
        values,
        message.space or None,
        decode_scaling(message.scaling, join(where, "scaling")),
        decode_weights(message.weights, join(where, "weights")),
        tuple(message.dims),
    )


def encode_fusion(fusion: Fusion) -> pb.Fusion:
    """The fusion method for the wire.

    Raises:
        InvalidInputError: If ``k`` does not fit the wire.
    """
    if not -INT32 <= fusion.k < INT32:
        raise invalid("fusion.k", f"must be at least 1 and fit 32 bits, got {fusion.k}")
    return pb.Fusion(method=f"FUSION_METHOD_{fusion.method.name}", k=fusion.k)


def decode_fusion(message: pb.Fusion, where: str = "fusion") -> Fusion:
    """The fusion method from the wire; what is unset keeps its default.

    Raises:
        InvalidInputError: For an unknown method.
    """
    method = enum_value(message.method, _METHODS, join(where, "method"), Fusion().method)
    return Fusion(method, message.k if message.HasField("k") else Fusion().k)
