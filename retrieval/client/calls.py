"""Each operation of a library as calls: what to send, and what the answer means.

Nothing here sends anything, so that the sync and the async client share every line of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from retrieval.api.batches import MESSAGE_BYTES, RecordJoiner, split_records
from retrieval.api.hits import decode_facet, decode_response
from retrieval.api.names import track_name
from retrieval.api.records import decode_track, encode_update
from retrieval.api.requests import (
    check_limit,
    encode_filter_or_none,
    encode_recommend,
    encode_search,
)
from retrieval.api.spaces import (
    decode_library,
    decode_space_status,
    decode_statistics,
    encode_field,
    encode_space,
)
from retrieval.api.v1 import library_pb2 as pb
from retrieval.api.v1 import search_pb2
from retrieval.core.errors import BusyError, InternalError, InvalidInputError
from retrieval.core.filters import Filter
from retrieval.core.library import SpaceStatus
from retrieval.core.payload import Field
from retrieval.core.queries import (
    FacetCount,
    RecommendRequest,
    SearchRequest,
    SearchResponse,
    TrackPage,
)
from retrieval.core.spaces import EmbeddingSpace, Statistics
from retrieval.core.tracks import LibraryInfo, Track, TrackRecord, TrackUpdate

T = TypeVar("T")

INLINE_BYTES = 3 * 1024 * 1024
"""A search larger than this sends its sounds in chunks."""
CHUNK_BYTES = 256 * 1024
MAX_BATCH = 1_000
MAX_RECORD_BYTES = 256 * 1024 * 1024

READ, WRITE, MAINTAIN = 1, 10, 120
"""How many times the client's timeout a call may take."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call.

    Attributes:
        method: Name in the proto.
        request: A message, or a list of them for a client stream.
        decode: Meaning of the answer; takes a list of messages for a server stream.
        patience: Times the client's timeout.
        streams: The answer is a stream.
    """

    method: str
    request: Any
    decode: Callable[[Any], T]
    patience: int = READ
    streams: bool = False


@contextmanager
def encoding() -> Iterator[None]:
    """Turn what protobuf says about values that cannot travel into our own error."""
    try:
        yield
    except (UnicodeEncodeError, OverflowError, TypeError, ValueError) as error:
        raise InvalidInputError(f"the request cannot be sent: {error}") from None


def meaning(call: Call[T], answer: Any, address: str) -> T:
    """What an answer means.

    Raises:
        InternalError: If it is not one this client can understand.
    """
    try:
        return call.decode(answer)
    except InvalidInputError as error:
        raise InternalError(
            f"{address}: cannot understand the answer of {call.method}; "
            f"is the service of another version? ({error.message})"
        ) from None


def search(request: SearchRequest) -> Call[SearchResponse]:
    """A search; with large sounds, a streamed one."""
    with encoding():
        message = encode_search(request)
    if message.ByteSize() <= INLINE_BYTES:
        return Call("Search", message, decode_response)
    return Call("SearchAudio", list(_chunked(message)), decode_response, patience=WRITE)


def _chunked(message: search_pb2.SearchRequest) -> Iterator[search_pb2.SearchAudioRequest]:
    sounds = {}
    for i, query in enumerate(message.queries):
        if query.WhichOneof("kind") == "audio":
            sounds[i], query.audio = query.audio, b""
        elif query.video.WhichOneof("of") == "clip":
            sounds[i], query.video.clip = query.video.clip, b""
    yield search_pb2.SearchAudioRequest(request=message)
    for i, sound in sounds.items():
        for start in range(0, len(sound), CHUNK_BYTES):
            data = sound[start : start + CHUNK_BYTES]
            yield search_pb2.SearchAudioRequest(chunk={"query": i, "data": data})


def recommend(request: RecommendRequest) -> Call[SearchResponse]:
    """A recommendation."""
    with encoding():
        return Call("Recommend", encode_recommend(request), decode_response)


def info() -> Call[LibraryInfo]:
    """What the library is made of."""
    return Call("GetLibrary", pb.GetLibraryRequest(), _library)


def _library(message: pb.GetLibraryResponse | pb.DeclareSpacesResponse) -> LibraryInfo:
    return decode_library(message.library, "library")


def get_track(track_id: str) -> Call[Track]:
    """One track."""
    request = pb.GetTrackRequest(name=track_name(track_id))
    return Call("GetTrack", request, lambda m: decode_track(m.track, "track"))


def list_tracks(filter: Filter | None, limit: int, after: str | None) -> Call[TrackPage]:
    """One page of tracks."""
    with encoding():
        request = pb.ListTracksRequest(
            filter=encode_filter_or_none(filter),
            page_size=check_limit(limit),
            after="" if after is None else track_name(after),
        )
    return Call("ListTracks", request, _page)


def _page(message: pb.ListTracksResponse) -> TrackPage:
    tracks = _tracks(message)
    return TrackPage(tracks, tracks[-1].id if message.next_page_token and tracks else None)


def _tracks(message: pb.ListTracksResponse | pb.BatchGetTracksResponse) -> tuple[Track, ...]:
    return tuple(decode_track(t, f"tracks[{i}]") for i, t in enumerate(message.tracks))


def count_tracks(filter: Filter | None) -> Call[int]:
    """How many tracks pass a filter."""
    with encoding():
        request = pb.CountTracksRequest(filter=encode_filter_or_none(filter))
    return Call("CountTracks", request, lambda m: int(m.count))


def facets(field: str, filter: Filter | None, limit: int) -> Call[tuple[FacetCount, ...]]:
    """The values of a field."""
    with encoding():
        request = pb.FacetsRequest(
            field=field, filter=encode_filter_or_none(filter), limit=check_limit(limit)
        )
    return Call("Facets", request, _facets)


def _facets(message: pb.FacetsResponse) -> tuple[FacetCount, ...]:
    return tuple(decode_facet(count, f"counts[{i}]") for i, count in enumerate(message.counts))


def spaces() -> Call[tuple[SpaceStatus, ...]]:
    """The spaces and their standing."""
    return Call("ListEmbeddingSpaces", pb.ListEmbeddingSpacesRequest(), _spaces)


def _spaces(message: pb.ListEmbeddingSpacesResponse) -> tuple[SpaceStatus, ...]:
    return tuple(decode_space_status(s, f"spaces[{i}]") for i, s in enumerate(message.spaces))


def declare(
    spaces: Sequence[EmbeddingSpace], fields: Sequence[Field], replacing: Collection[str]
) -> Call[LibraryInfo]:
    """Create the library, or add to it."""
    with encoding():
        request = pb.DeclareSpacesRequest(
            spaces=map(encode_space, spaces),
            fields=map(encode_field, fields),
            replacing=replacing,
        )
    return Call("DeclareSpaces", request, _library, patience=WRITE)


def write(records: Sequence[TrackRecord]) -> Call[None]:
    """Write tracks; one stream, whatever their size."""
    with encoding():
        messages = list(split_records(records, pb.WriteTracksRequest))
    return Call("WriteTracks", messages, _nothing, patience=WRITE)


def update(updates: Sequence[TrackUpdate]) -> list[Call[None]]:
    """Change tracks; as many calls as the message size asks for."""
    batches: list[list[pb.TrackUpdate]] = []
    size = 0
    with encoding():
        for one in updates:
            message = encode_update(one)
            room = message.ByteSize() + 8
            if room > INLINE_BYTES:
                raise BusyError(
                    f"track {one.id}: its payload has {room} bytes, at most {INLINE_BYTES} fit",
                    reason="TOO_LARGE",
                )
            if not batches or size + room > MESSAGE_BYTES or len(batches[-1]) == MAX_BATCH:
                batches.append([])
                size = 0
            batches[-1].append(message)
            size += room
    requests = (pb.UpdateTracksRequest(updates=batch) for batch in batches)
    return [Call("UpdateTracks", request, _nothing, patience=WRITE) for request in requests]


def _nothing(_: Any) -> None:
    return None


def fetch(track_ids: Sequence[str]) -> list[Call[tuple[Track, ...]]]:
    """The tracks that exist, a thousand at a time."""
    return [
        Call("BatchGetTracks", pb.BatchGetTracksRequest(names=names), _tracks)
        for names in _names(track_ids)
    ]


def fetch_records(track_ids: Sequence[str]) -> list[Call[tuple[TrackRecord, ...]]]:
    """The whole records that exist, a thousand at a time."""
    return [
        Call("ReadTracks", pb.ReadTracksRequest(names=names), _records, WRITE, streams=True)
        for names in _names(track_ids)
    ]


def _records(messages: Sequence[pb.ReadTracksResponse]) -> tuple[TrackRecord, ...]:
    records = RecordJoiner(MAX_RECORD_BYTES)
    for message in messages:
        records.add(message)
    return tuple(records.take(all=True))


def delete_tracks(track_ids: Sequence[str]) -> list[Call[int]]:
    """Delete tracks, a thousand at a time."""
    return [
        Call(
            "BatchDeleteTracks",
            pb.BatchDeleteTracksRequest(names=names),
            lambda m: int(m.deleted_count),
            patience=WRITE,
        )
        for names in _names(track_ids)
    ]


def _names(track_ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(track_ids), MAX_BATCH):
        yield [track_name(one) for one in track_ids[start : start + MAX_BATCH]]


def refit(space: str) -> Call[Statistics]:
    """Fit and freeze statistics."""
    with encoding():
        request = pb.RefitSpaceRequest(space=space)
    return Call(
        "RefitSpace",
        request,
        lambda m: decode_statistics(m.statistics, "statistics"),
        patience=MAINTAIN,
    )


def optimize() -> Call[None]:
    """Build indexes."""
    return Call("OptimizeLibrary", pb.OptimizeLibraryRequest(), _nothing, patience=MAINTAIN)
