"""Answers to searches."""

from __future__ import annotations

from typing import TypeVar

from retrieval.api.checks import finite, join, required
from retrieval.api.cues import decode_cue, encode_cue
from retrieval.api.masks import HitMask, TrackMask
from retrieval.api.names import PREFIX
from retrieval.api.records import decode_track
from retrieval.api.v1 import library_pb2, types_pb2
from retrieval.api.v1 import search_pb2 as pb
from retrieval.api.values import decode_scalar, encode_value, fill_payload
from retrieval.api.vectors import decode_span
from retrieval.api.videos import decode_prediction, encode_prediction
from retrieval.core.queries import (
    Evidence,
    FacetCount,
    Hit,
    LeftOut,
    SearchResponse,
    SegmentHit,
    SpaceFit,
)
from retrieval.core.tracks import Track

Response = pb.SearchResponse | pb.SearchAudioResponse | pb.RecommendResponse
R = TypeVar("R", pb.SearchResponse, pb.SearchAudioResponse, pb.RecommendResponse)


def mask_track(track: Track, mask: TrackMask) -> types_pb2.Track:
    """The parts of a library's track that a mask lets through, for the wire."""
    message = types_pb2.Track()
    _fill_track(message, track, mask)
    return message


def _fill_track(message: types_pb2.Track, track: Track, mask: TrackMask) -> None:
    if mask.name:
        message.name = PREFIX + track.id
    fields = mask.payload_fields
    if fields is None:
        fill_payload(message, track.payload)
    elif fields:
        fill_payload(message, {f: track.payload[f] for f in fields if f in track.payload})


def encode_response(response: SearchResponse, mask: HitMask, message: R) -> R:
    """Write a library's answer into an empty response message; the page token is not its part."""
    message.took_ms = response.took_ms
    for hit in response.hits:
        target = message.hits.add()
        if mask.track.name or mask.track.payload_fields != ():
            _fill_track(target.track, hit.track, mask.track)
        if mask.score:
            target.score = hit.score
        if mask.segments:
            for segment in hit.segments:
                part = target.segments.add(score=segment.score, space=segment.space)
                part.span.start_seconds = segment.span.start
                part.span.end_seconds = segment.span.end
        if mask.evidence:
            for why in hit.evidence:
                target.evidence.add(
                    query=why.query,
                    space=why.space,
                    rank=why.rank,
                    score=why.score,
                    distance=why.distance,
                    fit=why.fit,
                )
        if mask.fit and hit.fit is not None:
            target.fit, target.weak = hit.fit, hit.weak
        if mask.cue and hit.cue is not None:
            encode_cue(hit.cue, target.cue)
    for found in response.spaces:
        message.spaces.add(query=found.query, space=found.space, fit=found.fit, weak=found.weak)
    if not isinstance(message, pb.RecommendResponse):
        message.videos.extend(map(encode_prediction, response.videos))
        for one in response.left_out:
            message.left_out.add(space=one.space, reason=one.reason, message=one.message)
    return message


def decode_response(message: Response) -> SearchResponse:
    """An answer from the wire.

    Raises:
        InvalidInputError: If any part of it is malformed.
    """
    hits = tuple([_decode_hit(hit) for hit in message.hits])
    spaces = tuple([_decode_space_fit(found) for found in message.spaces])
    more = bool(message.next_page_token)
    if isinstance(message, pb.RecommendResponse):
        return SearchResponse(hits, message.took_ms, more=more, spaces=spaces)
    return SearchResponse(
        hits,
        message.took_ms,
        more=more,
        spaces=spaces,
        videos=tuple([decode_prediction(one, "videos") for one in message.videos]),
        left_out=tuple([LeftOut(o.space, o.reason, o.message) for o in message.left_out]),
    )


def _decode_hit(hit: pb.Hit) -> Hit:
    return Hit(
        track=decode_track(required(hit, "track", "hits"), "hits.track"),
        score=finite(hit.score, "hits.score"),
        segments=tuple(
            [
                SegmentHit(decode_span(part.span, "hits.segments.span"), part.score, part.space)
                for part in hit.segments
            ]
        ),
        evidence=tuple([_decode_evidence(why) for why in hit.evidence]),
        fit=finite(hit.fit, "hits.fit") if hit.HasField("fit") else None,
        cue=decode_cue(hit.cue, "hits.cue") if hit.HasField("cue") else None,
    )


def _decode_evidence(why: pb.Evidence) -> Evidence:
    distance = why.distance if why.HasField("distance") else None
    fit = why.fit if why.HasField("fit") else None
    return Evidence(why.query, why.space, why.rank, why.score, distance, fit)


def _decode_space_fit(found: pb.SpaceFit) -> SpaceFit:
    fit = finite(found.fit, "spaces.fit") if found.HasField("fit") else None
    return SpaceFit(found.query, found.space, fit)


def encode_facet(count: FacetCount) -> library_pb2.FacetCount:
    """One value of a field and its count, for the wire."""
    return library_pb2.FacetCount(value=encode_value(count.value, "value"), count=count.count)


def decode_facet(message: library_pb2.FacetCount, where: str) -> FacetCount:
    """One value of a field and its count, from the wire.

    Raises:
        InvalidInputError: If the value is malformed.
    """
    return FacetCount(decode_scalar(message.value, join(where, "value")), message.count)
