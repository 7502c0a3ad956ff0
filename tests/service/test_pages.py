"""Page tokens, page sizes, masks, and sounds that come in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import given
from hypothesis import strategies as st

from retrieval.api.v1 import library_pb2, library_pb2_grpc, search_pb2, search_pb2_grpc
from retrieval.client import Client
from retrieval.core.errors import AudioError, BusyError, InvalidInputError
from retrieval.core.queries import AudioQuery, SearchRequest, TextQuery, WeightedQuery
from retrieval.search import LocalLibrary
from retrieval.service.page_tokens import PageTokens
from tests.service.running import Running, settings
from tests.service.sounds import tone
from tests.service.test_access import Kept

VECTOR = {"vector": {"values": [1, 2, 3, 0.5, 1, 60, 50, 40, 30, -20]}}


@pytest.fixture(scope="module")
def search(running: Running) -> Iterator[Any]:
    with grpc.insecure_channel(running.address) as channel:
        yield search_pb2_grpc.SearchServiceStub(channel)


@pytest.fixture(scope="module")
def library(running: Running) -> Iterator[Any]:
    with grpc.insecure_channel(running.address) as channel:
        yield library_pb2_grpc.LibraryServiceStub(channel)


def reason(call: Any, *args: Any) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call(*args)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    info = error_details_pb2.ErrorInfo()
    assert rpc_status.from_call(caught.value).details[0].Unpack(info)
    return info.reason


def request(**changes: Any) -> search_pb2.SearchRequest:
    return search_pb2.SearchRequest(queries=[VECTOR], **changes)


def names(answer: Any) -> list[str]:
    return [hit.track.name for hit in answer.hits]


def test_pages_of_a_search_add_up(search: Any) -> None:
    whole = search.Search(request(page_size=100))
    assert len(whole.hits) == 100
    assert not whole.next_page_token
    found, token = [], ""
    for size in (7, 30, 1, 100):  # the size may change from page to page
        answer = search.Search(request(page_size=size, page_token=token, skip=0))
        found += names(answer)
        token = answer.next_page_token
    assert found == names(whole)
    assert not token
    assert names(search.Search(request(skip=90, page_size=5))) == names(whole)[90:95]
    assert len(search.Search(request(page_size=5000)).hits) == 100
    assert len(search.Search(request()).hits) == 10


def test_pages_of_a_recommendation_add_up(search: Any) -> None:
    def page(**changes: Any) -> Any:
        recommend = search_pb2.RecommendRequest(positive=["tracks/t00001"], **changes)
        return search.Recommend(recommend)

    first = page(page_size=8)
    second = page(page_size=8, page_token=first.next_page_token)
    assert names(first) + names(second) == names(page(page_size=16))


def test_pages_of_tracks_add_up(library: Any) -> None:
    whole = library.ListTracks(library_pb2.ListTracksRequest(page_size=1000))
    found, token = [], ""
    while True:
        page = library.ListTracks(library_pb2.ListTracksRequest(page_size=33, page_token=token))
        found += [track.name for track in page.tracks]
        token = page.next_page_token
        if not token:
            break
    assert found == [track.name for track in whole.tracks]
    assert len(found) == len(set(found)) == 100


def test_tokens_of_other_requests_are_refused(search: Any, library: Any) -> None:
    token = search.Search(request()).next_page_token
    assert search.Search(request(page_token=token, page_size=3)).hits
    other = request(page_token=token, filter={"exists": {"field": "title"}})
    assert reason(search.Search, other) == "INVALID_PAGE_TOKEN"
    recommend = search_pb2.RecommendRequest(positive=["tracks/t00001"], page_token=token)
    assert reason(search.Recommend, recommend) == "INVALID_PAGE_TOKEN"
    listing = library_pb2.ListTracksRequest(page_token=token)
    assert reason(library.ListTracks, listing) == "INVALID_PAGE_TOKEN"
    assert reason(search.Search, request(page_token="x")) == "INVALID_PAGE_TOKEN"  # noqa: S106


def test_negative_sizes_are_refused(search: Any, library: Any) -> None:
    assert reason(search.Search, request(page_size=-1)) == "INVALID_REQUEST"
    assert reason(search.Search, request(skip=-1)) == "INVALID_REQUEST"
    listing = library_pb2.ListTracksRequest(page_size=-1)
    assert reason(library.ListTracks, listing) == "INVALID_REQUEST"
    facets = library_pb2.FacetsRequest(field="genre", limit=-1)
    assert reason(library.Facets, facets) == "INVALID_REQUEST"


@given(st.data())
def test_a_token_with_one_character_changed_is_refused(data: st.DataObject) -> None:
    tokens = PageTokens("key")
    token = tokens.make(request(), "library", "40")
    assert tokens.read_offset(token, request(page_size=3), "library") == 40
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters().filter(lambda c: c != token[at]))
    for bad in (token[:at] + letter + token[at + 1 :], token[:at], token + letter, token + "="):
        with pytest.raises(InvalidInputError) as caught:
            tokens.read_offset(bad, request(), "library")
        assert caught.value.reason == "INVALID_PAGE_TOKEN"


def test_tokens_are_bound_to_key_library_and_depth() -> None:
    token = PageTokens("key").make(request(), "library", "40")
    assert PageTokens("key").read_offset(token, request(), "library") == 40
    for tokens, library in ((PageTokens("other"), "library"), (PageTokens("key"), "another")):
        with pytest.raises(InvalidInputError):
            tokens.read_offset(token, request(), library)
    with pytest.raises(InvalidInputError):
        PageTokens().read_offset(PageTokens().make(request(), "l", "1"), request(), "l")
    deep = PageTokens("key").make(request(), "library", "10001")
    with pytest.raises(InvalidInputError) as caught:
        PageTokens("key").read_offset(deep, request(), "library")
    assert "10000" in caught.value.message


def test_masks(search: Any, library: Any) -> None:
    def hit(*paths: str) -> Any:
        return search.Search(request(page_size=1, read_mask={"paths": paths})).hits[0]

    full = hit()
    assert full.score
    assert full.segments
    assert full.evidence
    assert len(full.track.payload) > 5
    bare = hit("track.name", "track.payload.title")
    assert set(bare.track.payload) == {"title"}
    assert bare.track.name == full.track.name
    assert not (bare.score or bare.segments or bare.evidence)
    assert hit("score") == search_pb2.Hit(score=full.score)
    assert reason(hit, "track.nope") == "INVALID_FIELD"
    assert reason(hit, "track.payload.nope") == "INVALID_FIELD"

    def track(*paths: str) -> Any:
        wanted = library_pb2.GetTrackRequest(name="tracks/t00001", read_mask={"paths": paths})
        return library.GetTrack(wanted).track

    assert set(track("payload.bpm").payload) == {"bpm"}
    assert not track("payload.bpm").name
    assert track("*") == track()
    assert reason(track, "score") == "INVALID_FIELD"
    listing = library_pb2.ListTracksRequest(page_size=2, read_mask={"paths": ["name"]})
    assert [len(t.payload) for t in library.ListTracks(listing).tracks] == [0, 0]


def parts(*messages: Any) -> Iterator[search_pb2.SearchAudioRequest]:
    return iter([search_pb2.SearchAudioRequest(**message) for message in messages])


def test_a_sound_in_chunks_is_the_same_search(client: Client, search: Any) -> None:
    sound = tone(4.0)
    whole = search.Search(search_pb2.SearchRequest(queries=[{"audio": sound}, {"text": "song"}]))
    empty = search_pb2.SearchRequest(queries=[{"audio": b""}, {"text": "song"}])
    chunks = [{"chunk": {"data": sound[i : i + 1000]}} for i in range(0, len(sound), 1000)]
    streamed = search.SearchAudio(parts({"request": empty}, *chunks))
    assert list(streamed.hits) == list(whole.hits)


def test_a_client_streams_large_sounds_by_itself(client: Client, local: LocalLibrary) -> None:
    sounds = [tone(60.0, rate=44_100, seed=1), tone(55.0, rate=44_100, seed=2)]
    assert sum(map(len, sounds)) > 8 * 1024 * 1024
    wanted = SearchRequest(
        (
            WeightedQuery(AudioQuery(sounds[0]), 2.0),
            WeightedQuery(TextQuery("song number 3")),
            WeightedQuery(AudioQuery(sounds[1])),
        )
    )
    assert client.search(wanted).hits == local.search(wanted).hits


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([], "request"),
        ([{"chunk": {"data": b"x"}}], "request"),
        ([{}], "request"),
        ([{"request": {"queries": [{"audio": b""}]}}, {"request": {}}], "chunk"),
        ([{"request": {"queries": [{"audio": b""}]}}, {}], "chunk"),
        ([{"request": {"queries": [{"text": "a"}]}}, {"chunk": {"data": b"x"}}], "chunk.query"),
        ([{"request": {"queries": [{"audio": b""}]}}, {"chunk": {"query": -1}}], "chunk.query"),
    ],
)
def test_streams_out_of_order_are_refused(search: Any, messages: Any, field: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        search.SearchAudio(parts(*messages))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith(f"{field}: ")


def test_an_upload_over_the_limit_stops_at_the_limit(folder: Path, local: LocalLibrary) -> None:
    sent = 0

    def endless() -> Iterator[search_pb2.SearchAudioRequest]:
        nonlocal sent
        yield from parts({"request": {"queries": [{"audio": b""}]}})
        while sent < 10_000:
            sent += 1
            yield from parts({"chunk": {"data": bytes(100_000)}})

    limited = settings(folder, max_upload_bytes=1_000_000)
    with Running(limited, lambda: Kept(local)) as running:
        with grpc.insecure_channel(running.address) as channel:
            stub = search_pb2_grpc.SearchServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                stub.SearchAudio(endless(), timeout=30)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert sent < 5_000  # a gigabyte was promised
        with Client(running.address) as client:
            large = SearchRequest((WeightedQuery(AudioQuery(bytes(4_000_000))),))
            with pytest.raises(BusyError) as busy:
                client.search(large)
            assert busy.value.reason == "TOO_LARGE"
            with pytest.raises(AudioError):
                client.search(SearchRequest((WeightedQuery(AudioQuery(b"RIFFxxxx")),)))
