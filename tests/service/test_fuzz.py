"""Whatever bytes come in: never UNKNOWN or INTERNAL, the service stays healthy, memory bounded."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from retrieval.api.requests import encode_recommend, encode_search
from retrieval.api.v1 import library_pb2, search_pb2
from retrieval.core.errors import SegueError
from retrieval.search import LocalLibrary
from tests.service import strategies as some
from tests.service.running import Running, local_library, settings, tracks
from tests.service.sounds import tone

BANNED = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}
METHODS = [
    (service.full_name, method)
    for service in (
        search_pb2.DESCRIPTOR.services_by_name["SearchService"],
        library_pb2.DESCRIPTOR.services_by_name["LibraryService"],
    )
    for method in service.methods
]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of its own: fuzzing may write and delete."""
    folder = tmp_path_factory.mktemp("fuzz")
    library: LocalLibrary = local_library(folder, tracks(30))
    with Running(settings(folder), lambda: library) as running:
        yield running


def send(channel: grpc.Channel, service: str, method: Any, parts: list[bytes]) -> grpc.StatusCode:
    path = f"/{service}/{method.name}"
    try:
        if method.client_streaming:
            channel.stream_unary(path)(iter(parts), timeout=20)
        elif method.server_streaming:
            list(channel.unary_stream(path)(parts[0], timeout=20))
        else:
            channel.unary_unary(path)(parts[0], timeout=20)
    except grpc.RpcError as error:
        assert "Traceback" not in (error.details() or "")
        return error.code()
    return grpc.StatusCode.OK


def anonymous_bytes() -> int:
    """Memory of this process and the service in it, without the store's mapped files."""
    info = psutil.Process(os.getpid()).memory_info()
    return int(info.rss - getattr(info, "shared", 0))


def healthy(channel: grpc.Channel) -> bool:
    stub = health_pb2_grpc.HealthStub(channel)
    status = stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status
    return bool(status == health_pb2.HealthCheckResponse.SERVING)


def seeds() -> dict[str, bytes]:
    """A good message of each method, to mutate."""
    record = library_pb2.TrackRecord(
        name="tracks/x",
        payload={"title": {"text": "x"}, "genre": {"list": {"values": [{"text": "a"}]}}},
        vectors={"perceptual": {"dense": {"values": [1.0] * 10}}},
        segments=[{"span": {"start_seconds": 0, "end_seconds": 5}}],
    )
    deep: dict[str, Any] = {"exists": {"field": "title"}}
    for _ in range(6):
        deep = {"all": {"filters": [deep, {"range": {"field": "bpm", "gt": {"number": 1}}}]}}
    search = search_pb2.SearchRequest(
        queries=[
            {"text": "song", "weight": 2, "spaces": ["lexical"]},
            {"vector": {"values": range(10), "weights": {"warmth": 2}, "dims": ["VA"]}},
            {"segment": {"track": "tracks/t00001", "span": {"end_seconds": 9}}},
            {"audio": tone(0.3)[:600]},
        ],
        filter=deep,
        page_token="abc",  # noqa: S106 - a page token is no password
        read_mask={"paths": ["score", "track.payload.title"]},
    )
    found: dict[str, Any] = {
        "Search": search,
        "SearchAudio": search_pb2.SearchAudioRequest(request=search),
        "Recommend": search_pb2.RecommendRequest(positive=["tracks/t00001"], filter=deep),
        "ListTracks": library_pb2.ListTracksRequest(filter=deep, page_size=3),
        "Facets": library_pb2.FacetsRequest(field="genre", filter=deep),
        "WriteTracks": library_pb2.WriteTracksRequest(records=[record, record]),
        "UpdateTracks": library_pb2.UpdateTracksRequest(
            updates=[{"name": "tracks/t00001", "payload": record.payload}]
        ),
        "DeclareSpaces": library_pb2.DeclareSpacesRequest(
            spaces=[{"name": "a", "dim": 2, "distance": 1, "revision": "1", "levels": [1]}],
            fields=[{"name": "mood", "type": 1}],
        ),
        "RefitSpace": library_pb2.RefitSpaceRequest(space="perceptual"),
    }
    return {name: message.SerializeToString() for name, message in found.items()}


def mutated(data: bytes, rng: random.Random) -> bytes:
    if not data or rng.random() < 0.3:
        return rng.randbytes(rng.randrange(0, 400))
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(len(changed))
        match rng.randrange(4):
            case 0:
                changed[at] = rng.randrange(256)
            case 1:
                del changed[at : at + rng.randrange(1, 9)]
            case 2:
                changed[at:at] = rng.randbytes(rng.randrange(1, 9))
            case _:
                changed[at:at] = changed[at : at + 40]
        if not changed:
            break
    return bytes(changed)


def test_raw_and_mutated_bytes(target: Running) -> None:
    rng = random.Random(7)
    good = seeds()
    before = anonymous_bytes()
    seen: dict[grpc.StatusCode, int] = {}
    with grpc.insecure_channel(target.address) as channel:
        for service, method in METHODS:
            for _ in range(60):
                data = good.get(method.name, b"\n\x0dtracks/t00001")
                parts = [mutated(data, rng) for _ in range(rng.randrange(1, 4))]
                if rng.random() < 0.3:
                    parts[0] = data
                code = send(channel, service, method, parts)
                assert code not in BANNED, (method.name, parts)
                seen[code] = seen.get(code, 0) + 1
        assert healthy(channel)
    assert seen[grpc.StatusCode.OK] > 20
    assert seen[grpc.StatusCode.INVALID_ARGUMENT] > 200
    assert anonymous_bytes() - before < 128 * 1024 * 1024


@pytest.mark.parametrize("levels", [9, 40, 60, 200, 5000])
def test_deep_filters_are_refused_at_any_depth(target: Running, levels: int) -> None:
    data = search_pb2.SearchRequest(queries=[{"text": "x"}]).SerializeToString()
    inner = b"\x32\x02\x0a\x00"  # Filter{exists{field ""}}
    for _ in range(levels):
        length = len(inner)
        varint = bytearray()
        while True:
            varint.append((length & 0x7F) | (0x80 if length > 0x7F else 0))
            length >>= 7
            if not length:
                break
        inner = b"\x52" + bytes(varint) + inner  # Filter{negation}
    size, varint = len(inner), bytearray()
    while True:
        varint.append((size & 0x7F) | (0x80 if size > 0x7F else 0))
        size >>= 7
        if not size:
            break
    data += b"\x12" + bytes(varint) + inner
    with grpc.insecure_channel(target.address) as channel:
        code = send(channel, *METHODS[0], [data])
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert healthy(channel)


@effort(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(request=st.one_of(some.searches, some.recommends))
def test_generated_requests(target: Running, request: Any) -> None:
    with grpc.insecure_channel(target.address) as channel:
        try:
            if hasattr(request, "queries"):
                data, method = encode_search(request).SerializeToString(), METHODS[0]
            else:
                data, method = encode_recommend(request).SerializeToString(), METHODS[2]
        except SegueError:
            return
        assert send(channel, *method, [data]) not in BANNED


@effort(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(records=st.lists(some.records, max_size=3), updates=st.lists(some.updates, max_size=3))
def test_generated_writes(target: Running, records: Any, updates: Any) -> None:
    from retrieval.api.batches import split_records
    from retrieval.api.records import encode_update

    by_name = {method.name: (service, method) for service, method in METHODS}
    stream = [
        message.SerializeToString()
        for message in split_records(records, library_pb2.WriteTracksRequest)
    ]
    changes = library_pb2.UpdateTracksRequest(updates=map(encode_update, updates))
    with grpc.insecure_channel(target.address) as channel:
        assert send(channel, *by_name["WriteTracks"], stream) not in BANNED
        assert send(channel, *by_name["UpdateTracks"], [changes.SerializeToString()]) not in BANNED


def test_a_message_beyond_the_size_limit_is_refused(target: Running) -> None:
    with grpc.insecure_channel(target.address) as channel:
        code = send(channel, *METHODS[0], [b"\x00" * (5 * 1024 * 1024)])
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert healthy(channel)


def test_health_and_reflection_take_no_garbage_either(target: Running) -> None:
    garbage = b"\x0a\xff\xff\xff\xff\x0f"
    with grpc.insecure_channel(target.address) as channel:
        calls = (
            lambda: channel.unary_unary("/grpc.health.v1.Health/Check")(garbage, timeout=20),
            lambda: list(channel.unary_stream("/grpc.health.v1.Health/Watch")(garbage, timeout=20)),
            lambda: list(
                channel.stream_stream(
                    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
                )(iter([garbage]), timeout=20)
            ),
        )
        for call in calls:
            with pytest.raises(grpc.RpcError) as caught:
                call()
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/retrieval.api.v1.SearchService/Nothing")(b"", timeout=20)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert healthy(channel)
