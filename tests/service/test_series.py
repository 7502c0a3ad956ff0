"""Series over the wire: as they were, only of tracks there are, and never a path."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from hypothesis import assume, given

from indexer import IndexOptions, index
from retrieval.api.series import decode_series, encode_series
from retrieval.api.v1 import library_pb2 as pb
from retrieval.api.v1 import library_pb2_grpc
from retrieval.client import AsyncClient, Client
from retrieval.core.errors import InvalidInputError, NotFoundError
from retrieval.core.filters import Exists
from retrieval.core.payload import STANDARD_FIELDS
from retrieval.core.series import Series
from retrieval.encoders.registry import default_encoders
from retrieval.search import LocalLibrary
from retrieval.store import open_store
from retrieval.store.series import SeriesFolder
from tests.service.running import Running, settings, tracks
from tests.service.sounds import tone
from tests.store.test_series import BEATS, CHORDS, LOUDNESS, same, some_series


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    chosen = settings(tmp_path)
    encoders = default_encoders()
    library = LocalLibrary(open_store(chosen), encoders, series=SeriesFolder.of(chosen))
    library.declare(encoders.spaces(), STANDARD_FIELDS)
    library.write(tracks(2))
    with Running(chosen, lambda: library) as running:
        yield running


@given(some_series())
def test_a_series_travels_bit_by_bit(series: Series) -> None:
    assume(len(series.values))  # of no values, moments and spans are the same
    message = pb.Series.FromString(encode_series(series).SerializeToString())
    assert same(decode_series(message, "series"), series)


def test_series_are_kept_served_and_gone_with_their_track(service: Running, tmp_path: Path) -> None:
    track = "t00001"
    with Client(service.address) as client:
        assert client.get_series(track) == ()
        client.write_series(track, [LOUDNESS, CHORDS])
        client.write_series(track, [BEATS], replacing=["loudness"])
        back = client.get_series(track)
        assert [one.name for one in back] == ["beats", "chords"]
        assert same(back[0], BEATS) and same(back[1], CHORDS)
        large = Series("large", np.zeros((300_000, 2), np.float32), rate=100.0)
        client.write_series(track, [large, BEATS])
        assert len(client.get_series(track, ["large"])[0].values) == 300_000
        assert client.delete_tracks([track]) == 1
        with pytest.raises(NotFoundError):
            client.get_series(track)
    assert not [p for p in (tmp_path / "series").rglob("*") if p.is_file()]

    async def again() -> None:
        async with AsyncClient(service.address) as client:
            await client.write_series("t00000", [CHORDS])
            (found,) = await client.get_series("t00000", {"chords"})
            assert same(found, CHORDS)

    asyncio.run(again())


def test_hostile_series_are_refused_and_nothing_is_written(
    service: Running, tmp_path: Path
) -> None:
    good = {"name": "one", "dtype": "float32", "values": b"\0" * 8, "rate_hz": 1.0}
    bad: list[dict[str, object]] = [
        {"name": "../../etc"},
        {"dtype": "object"},
        {"values": b"\0" * 7},
        {"width": 3},
        {"width": 2**31},
        {"rate_hz": float("nan")},
        {"time_seconds": [0.0, 1.0]},
        {"end_seconds": [1.0, 2.0]},
        {"labels": ["x"], "width": 1},
        {"labels": ["x"] * 5_000},
    ]
    with grpc.insecure_channel(service.address) as channel:
        stub = library_pb2_grpc.LibraryServiceStub(channel)
        for change in bad:
            series = pb.Series(**(good | change))  # type: ignore[arg-type]
            with pytest.raises(grpc.RpcError) as refused:
                stub.WriteSeries(pb.WriteSeriesRequest(name="tracks/t00001", series=[series]))
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT, change
        for request in (
            pb.WriteSeriesRequest(name="tracks/../x", series=[pb.Series(**good)]),  # type: ignore[arg-type]
            pb.WriteSeriesRequest(name="tracks/t00001", replacing=["../x"]),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                stub.WriteSeries(request)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not (tmp_path / "series").exists()
    with Client(service.address) as client, pytest.raises(InvalidInputError):
        client.get_series("../t00001")


def test_tracks_indexed_through_a_service_bring_their_series(
    service: Running, tmp_path: Path
) -> None:
    music = tmp_path / "songs"
    music.mkdir()
    (music / "a.wav").write_bytes(tone(2.0))
    with Client(service.address) as client:
        report = index(
            [music],
            client,
            default_encoders(),
            manifest_dir=tmp_path / "manifests",
            options=IndexOptions(workers=1, descriptors=("loudness", "silence")),
        )
        assert report.indexed == 1 and not report.notes
        (track,) = client.list_tracks(Exists("loudness_lufs")).tracks
        (loudness,) = client.get_series(track.id)
        assert loudness.rate == 10.0 and len(loudness.values) == 20
