"""The server store: addresses, failures, what is asked of a server, and everything over gRPC."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import numpy as np
import pytest
from qdrant_client import models

from retrieval.core.errors import InvalidInputError, PreconditionError, StoreError
from retrieval.core.payload import Field, FieldType
from retrieval.core.spaces import Level, Probe
from retrieval.core.tracks import TrackRecord
from retrieval.settings import Settings
from retrieval.store import open_store, server
from retrieval.store.protocol import StoreQuery
from retrieval.store.server_calls import parse_url
from tests.store.grpc_qdrant import Engine
from tests.store.library import COSINE, FIELDS, HALF, SPACES, SPARSE, WEIGHTED, record


@pytest.fixture
def engine():
    running = Engine()
    yield running
    running.close()


def connect(engine, **settings):
    return open_store(
        Settings(qdrant_url=f"http://127.0.0.1:{engine.port}", library="test", **settings)
    )


@pytest.fixture
def store(engine):
    opened = connect(engine)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("http://localhost:6334", ("localhost", 6334, False)),
        ("https://qdrant.example.com", ("qdrant.example.com", 6334, True)),
        ("qdrant:7000", ("qdrant", 7000, False)),
        ("http://[::1]:6334/", ("::1", 6334, False)),
    ],
)
def test_addresses(url, parsed):
    assert parse_url(url) == parsed


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "ftp://host:1",
        "http://host:port",
        "http://key:secret@host:6334",
        "http://h/x",
    ],
)
def test_addresses_that_are_none(url):
    with pytest.raises(InvalidInputError) as caught:
        parse_url(url)
    assert caught.value.reason == "INVALID_SETTING"
    assert "secret" not in caught.value.message


def test_a_server_that_is_not_there_is_named_without_the_key():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        settings = Settings(
            qdrant_url=f"https://127.0.0.1:{port}", qdrant_api_key="hush", qdrant_timeout=1
        )
        with pytest.raises(StoreError) as caught:
            open_store(settings)
    assert caught.value.reason == "STORE_UNAVAILABLE"
    assert f"https://127.0.0.1:{port}" in caught.value.message
    assert "hush" not in repr(caught.value) + str(caught.value.metadata)


def test_an_old_server_is_refused():
    old = Engine(version="1.15.5")
    with pytest.raises(StoreError, match=r"1\.15\.5.*1\.18"):
        connect(old)
    old.close()


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_the_key_is_sent_and_its_absence_told():
    locked = Engine(key="open sesame")
    with pytest.raises(StoreError, match="SEGUE_QDRANT_API_KEY"):
        connect(locked)
    store = connect(locked, qdrant_api_key="open sesame")
    store.declare([COSINE])
    assert store.count() == 0
    store.close()
    locked.close()


def test_questions_are_asked_again(engine, store):
    store.declare([COSINE])
    engine.failing = 2
    assert store.count() == 0
    engine.failing = 3
    with pytest.raises(StoreError) as caught:
        store.count()
    assert caught.value.reason == "STORE_UNAVAILABLE"


def test_writes_are_made_once(engine, store):
    store.declare(SPACES, FIELDS)
    store.info()
    engine.calls.clear()
    engine.failing = 1
    with pytest.raises(StoreError):
        store.write([record(3)])
    assert len(engine.calls) == 1
    store.write([record(3)])
    assert store.count() == 1


def test_a_server_that_goes_away_is_unavailable(engine, store):
    store.declare([COSINE])
    engine.close()
    with pytest.raises(StoreError) as caught:
        store.count()
    assert caught.value.reason == "STORE_UNAVAILABLE"


def test_collections_are_reached_through_aliases_and_indexed_before_any_point(engine, store):
    store.declare(SPACES, FIELDS)
    names = {c.name for c in engine.client.get_collections().collections}
    assert names == {"test_tracks_v1", "test_segments_v1"}
    aliases = {a.alias_name: a.collection_name for a in engine.client.get_aliases().aliases}
    assert aliases == {"test_tracks": "test_tracks_v1", "test_segments": "test_segments_v1"}
    assert "Upsert" not in engine.calls
    for collection in names:
        kinds = {path: kind for name, path, kind in engine.indexes if name == collection}
        assert kinds["track"] == "FieldTypeKeyword"
        assert kinds["fields.mood"] == "FieldTypeKeyword"
        assert kinds["fields.year"] == "FieldTypeInteger"
        assert kinds["fields.bpm"] == "FieldTypeFloat"
        assert kinds["fields.live"] == "FieldTypeBool"
        assert kinds["index.recorded"] == "FieldTypeDatetime"
        assert {path.split(".")[1] for path in kinds if "." in path} == set(store.info().fields)


def test_vectors_are_stored_as_their_space_needs(engine, store):
    store.declare(SPACES)
    params = engine.client.get_collection("test_tracks").config.params
    weighted, half = params.vectors[WEIGHTED.name], params.vectors[HALF.name]
    assert (weighted.size, weighted.distance) == (8, models.Distance.DOT)
    assert weighted.hnsw_config.m == 0
    assert weighted.datatype is models.Datatype.FLOAT32
    assert half.datatype is models.Datatype.FLOAT16
    assert half.hnsw_config.m == 16
    assert params.sparse_vectors[SPARSE.name].modifier is models.Modifier.IDF


def test_a_search_is_one_round_trip(engine, store):
    store.declare(SPACES, FIELDS)
    store.write([record(n) for n in range(40)])
    store.info()
    rng = np.random.default_rng(0)
    sound = Probe("sound", rng.normal(size=8).astype(np.float32))
    felt = Probe("felt", record(3).vectors["felt"])
    engine.calls.clear()
    store.search([StoreQuery(sound), StoreQuery(felt)])
    assert engine.calls == ["QueryBatch"]


def test_facets_that_tie_beyond_the_first_answer(store, monkeypatch):
    monkeypatch.setattr("retrieval.store.server._FACETS", 4)
    store.declare([COSINE])
    years = [2000, 2000, 2000, *range(1990, 1930, -1)]
    store.write(
        [
            TrackRecord(f"t{n}", {"year": year}, {"sound": np.ones(8, np.float32)})
            for n, year in enumerate(years)
        ]
    )
    found = [(hit.value, hit.count) for hit in store.facets("year", limit=3)]
    assert found == [(2000, 3), (1931, 1), (1932, 1)]


def test_a_declaration_that_was_cut_short_is_completed(engine, store):
    engine.client.create_collection("test_segments_v1", vectors_config={})
    # Left over by another attempt, with another shape, and never described.
    engine.client.create_collection(
        "test_tracks_v1",
        vectors_config={
            "sound": models.VectorParams(size=3, distance=models.Distance.DOT),
        },
    )
    with pytest.raises(PreconditionError):
        store.info()
    store.declare([COSINE])
    store.write([TrackRecord("a", {}, {"sound": np.ones(8, np.float32)})])
    assert store.count() == 1
    assert engine.client.get_collection("test_tracks").config.params.vectors["sound"].size == 8


def test_who_knows_only_the_old_description_of_a_space_finds_old_vectors(
    engine, store, monkeypatch
):
    store.declare([COSINE, SPARSE])
    store.write([TrackRecord("old", {}, {"sound": np.ones(8, np.float32)})])
    other = connect(engine)
    query = StoreQuery(Probe("sound", np.ones(8, np.float32)), limit=5)
    assert len(other.search([query])[0]) == 1
    seen = []

    def meanwhile(seconds):
        seen.append((seconds > server._FRESH, [m.track_id for m in other.search([query])[0]]))
        assert set(store.info().spaces) == {"lexical"}

    monkeypatch.setattr(server.time, "sleep", meanwhile)
    store.declare([replace(COSINE, revision="r2")], replacing=["sound"])
    assert seen == [(True, ["old"])]
    assert store.search([query]) == ((),)
    other.close()


def test_a_strangers_collection_is_left_alone(engine, store):
    engine.client.create_collection("test_tracks", vectors_config={})
    with pytest.raises(StoreError, match="not Segue's"):
        store.info()
    with pytest.raises(StoreError, match="not Segue's"):
        store.declare([COSINE])


def test_others_declarations_are_seen(engine, store, monkeypatch):
    store.declare([COSINE])
    other = connect(engine)
    other.declare([HALF], [Field("era", FieldType.KEYWORD)])
    other.close()
    monkeypatch.setattr("retrieval.store.server._FRESH", 0.0)
    assert set(store.info().spaces) == {"sound", "half"}
    assert "era" in store.info().fields


def test_many_threads_may_write_and_ask(store):
    store.declare(SPACES, FIELDS)
    errors = []

    def work(own):
        try:
            for n in own:
                store.write([record(n)])
                assert store.retrieve([f"track-{n}"])[0].payload["title"] == f"Song number {n}"
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(range(k, 80, 8),)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert store.count() == 80
    assert store.count(level=Level.SEGMENT) == sum(len(record(n).segments) for n in range(80))
