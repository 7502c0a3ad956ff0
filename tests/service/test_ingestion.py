"""Writing to a running service as ``segue index --address`` does: everything arrives as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from indexer import IndexOptions, IndexReport, index
from retrieval.api import batches
from retrieval.api.batches import MESSAGE_BYTES, RecordJoiner, split_records
from retrieval.api.v1 import library_pb2, library_pb2_grpc
from retrieval.client import AsyncClient, Client
from retrieval.core.errors import BusyError, InvalidInputError, NotFoundError, PreconditionError
from retrieval.core.library import LibraryWriter
from retrieval.core.payload import STANDARD_FIELDS, Field, FieldType
from retrieval.core.queries import SearchRequest, TrackQuery, WeightedQuery
from retrieval.core.spaces import Distance, EmbeddingSpace, Level
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord, TrackUpdate
from retrieval.encoders.registry import default_encoders
from retrieval.search import LocalLibrary
from tests.service.running import Running, local_library, settings, tracks
from tests.service.sounds import tone
from tests.service.test_codec import same_segments, same_vectors

WIDE = EmbeddingSpace("wide", 512, Distance.COSINE, "1", levels=frozenset(Level), float16=False)


@pytest.fixture
def empty(tmp_path: Path) -> LocalLibrary:
    return local_library(tmp_path)


@pytest.fixture
def service(tmp_path: Path, empty: LocalLibrary) -> Iterator[Running]:
    with Running(settings(tmp_path), lambda: empty) as running:
        yield running


def same(left: TrackRecord, right: TrackRecord) -> bool:
    return (
        (left.id, dict(left.payload)) == (right.id, dict(right.payload))
        and same_vectors(dict(left.vectors), dict(right.vectors))
        and same_segments(left.segments, right.segments)
    )


def long_track(segments: int) -> TrackRecord:
    """A track whose segments take 2 KiB each on the wire."""
    rng = np.random.default_rng(segments)

    def vector() -> np.ndarray:
        wide = rng.standard_normal(512).astype(np.float32)
        return wide / np.linalg.norm(wide)

    parts = (SegmentRecord(Span(i, i + 1), {"wide": vector()}) for i in range(segments))
    return TrackRecord(f"long{segments}", {"title": "long"}, {"wide": vector()}, tuple(parts))


def test_a_library_grows_through_a_client(service: Running, tmp_path: Path) -> None:
    encoders = default_encoders()
    records = tracks(60)
    here = local_library(tmp_path / "other", records)
    with Client(service.address) as client:
        with pytest.raises(PreconditionError):
            client.count_tracks()
        info = client.declare(encoders.spaces(), STANDARD_FIELDS)
        assert set(info.spaces) == {"ear", "lexical", "perceptual"}
        client.write(records)
        client.write(records[:5])
        assert client.count_tracks() == 60
        assert client.refit("perceptual") == here.info().statistics["perceptual"]
        client.optimize()
        request = SearchRequest((WeightedQuery(TrackQuery("t00003")),))
        assert client.search(request).hits == here.search(request).hits

        client.update([TrackUpdate("t00003", {"title": "renamed"}), TrackUpdate("nobody", {})])
        assert client.get_track("t00003").payload == {"title": "renamed"}
        ids = [record.id for record in records]
        assert client.fetch(["nobody", *ids * 40]) == client.fetch(ids) * 40
        back = client.fetch_records(["t00001", "nobody", "t00009"])
        wanted = here.fetch_records(["t00001", "t00009"])
        assert all(map(same, back, wanted))
        assert len(back) == 2
        assert client.delete_tracks([*ids[:10], "nobody"] * 200) == 10
        assert client.count_tracks() == 50
        with pytest.raises(PreconditionError) as conflict:
            client.declare([], [Field("title", FieldType.INTEGER)])
        assert conflict.value.reason == "FIELD_TYPE_CONFLICT"
        with pytest.raises(InvalidInputError):
            client.write([TrackRecord("bad", {"nope": 1}, {})])
    here.close()


def test_one_track_may_need_many_messages(service: Running) -> None:
    record = long_track(3_000)  # six megabytes
    with Client(service.address) as client:
        client.declare([WIDE], STANDARD_FIELDS)
        client.write([long_track(3), record, long_track(5)])
        back = client.fetch_records([record.id, "long3", "long5"])
        assert [len(r.segments) for r in back] == [3_000, 3, 5]
        assert same_segments(back[0].segments, record.segments)

    async def again() -> int:
        async with AsyncClient(service.address) as client:
            await client.write([record])
            await client.update([TrackUpdate(record.id, {"title": "other"})])
            (found,) = await client.fetch_records([record.id])
            assert found.payload == {"title": "other"}
            return await client.delete_tracks([record.id])

    assert asyncio.run(again()) == 1


def test_messages_stay_below_the_limit_and_join_again() -> None:
    records = [*tracks(30), long_track(2_500), *tracks(3), long_track(1_200), long_track(1)]
    messages = list(split_records(records, library_pb2.WriteTracksRequest))
    assert len(messages) > 3
    assert max(message.ByteSize() for message in messages) <= MESSAGE_BYTES + 64
    joiner, back = RecordJoiner(2**30), []
    for message in messages:
        joiner.add(message)
        back += joiner.take(all=False)
        assert len(joiner) == 1
    back += joiner.take(all=True)
    assert len(back) == len(records)
    assert all(map(same, back, records))


def test_a_part_that_fits_no_message_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MESSAGE_BYTES", 1_000)
    with pytest.raises(BusyError) as caught:
        list(split_records([long_track(1)], library_pb2.WriteTracksRequest))
    assert caught.value.reason == "TOO_LARGE"
    assert "long1" in caught.value.message


def test_malformed_streams_name_the_record(service: Running) -> None:
    with Client(service.address) as client:
        client.declare([WIDE], STANDARD_FIELDS)
    good = library_pb2.TrackRecord(name="tracks/a")
    bad = library_pb2.TrackRecord(name="tracks/b", segments=[{}])
    write = library_pb2.WriteTracksRequest
    with grpc.insecure_channel(service.address) as channel:
        stub = library_pb2_grpc.LibraryServiceStub(channel)
        for messages, start in (
            ([write(records=[good, good]), write(records=[bad])], "records[2].segments[0].span"),
            ([write(more_segments=[{}])], "more_segments"),
            (
                [write(records=[good]), write(more_segments=[{}])],
                "records[0].more_segments[0].span",
            ),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                stub.WriteTracks(iter(messages))
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert caught.value.details().startswith(start)
        assert stub.WriteTracks(iter([write(records=[good])])).written_count == 1
        assert stub.WriteTracks(iter([])).written_count == 0
        names = library_pb2.BatchGetTracksRequest(names=["tracks/a"] * 1001)
        with pytest.raises(grpc.RpcError) as caught:
            stub.BatchGetTracks(names)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        stub.DeleteTrack(library_pb2.DeleteTrackRequest(name="tracks/a"))
        with pytest.raises(grpc.RpcError) as caught:
            stub.DeleteTrack(library_pb2.DeleteTrackRequest(name="tracks/a"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_track_that_is_gone_is_not_found(service: Running) -> None:
    with Client(service.address) as client:
        client.declare([WIDE], STANDARD_FIELDS)
        with pytest.raises(NotFoundError):
            client.get_track("nobody")
        client.write([])
        client.update([])
        assert client.fetch([]) == ()
        assert client.delete_tracks([]) == 0


def test_the_indexer_writes_through_a_client_what_it_writes_in_process(
    service: Running, tmp_path: Path
) -> None:
    music = tmp_path / "files"
    music.mkdir()
    for i in range(3):
        (music / f"piece {i}.wav").write_bytes(tone(2.0 + i, seed=i))
    (music / "broken.wav").write_bytes(b"RIFF, or so it says")
    encoders = default_encoders()
    here = local_library(tmp_path / "other")

    def run(library: LibraryWriter, name: str) -> IndexReport:
        options = IndexOptions(workers=1)
        return index([music], library, encoders, manifest_dir=tmp_path / name, options=options)

    with Client(service.address) as client:
        there, local = run(client, "there"), run(here, "here")
        assert (there.found, there.indexed, len(there.failed)) == (4, 3, 1)
        assert (local.found, local.indexed, len(local.failed)) == (4, 3, 1)
        ids = [track.id for track in client.list_tracks().tracks]
        assert sorted(ids) == sorted(track.id for track in here.list_tracks().tracks)
        for left, right in zip(client.fetch_records(ids), here.fetch_records(ids), strict=True):
            assert same_vectors(dict(left.vectors), dict(right.vectors))
            assert same_segments(left.segments, right.segments)
        assert run(client, "there").unchanged == 3
    here.close()
