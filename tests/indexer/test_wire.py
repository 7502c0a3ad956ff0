"""``segue index --address``: the same runs, with the library behind a service."""

from __future__ import annotations

import shutil

from retrieval.client import Client
from retrieval.search import LocalLibrary
from tests.indexer.conftest import Place
from tests.indexer.encoders import BandsEncoder
from tests.service.running import Running, settings


def test_indexing_into_a_running_service(place: Place) -> None:
    for seed in range(3):
        place.song(f"{seed}.flac", seed, title=f"Song {seed}")
    local = place.library
    assert isinstance(local, LocalLibrary)
    with Running(settings(place.data), lambda: local) as running, Client(running.address) as client:
        place.library = client
        assert place.index().indexed == 3
        assert place.work() == 3
        assert client.count_tracks() == 3

        shutil.copy(place.music / "0.flac", place.music / "copy.flac")
        (place.music / "1.flac").unlink()
        report = place.index(prune=True)
        assert (report.unchanged, report.duplicates, report.removed) == (2, 1, 1)

        place.encoders.append(BandsEncoder())
        report = place.index()
        assert report.updated + report.unchanged == 3
        assert place.work() == 0
        for record in client.fetch_records([t.id for t in client.list_tracks().tracks]):
            assert set(record.vectors) == {"perceptual", "lexical", "bands"}
            assert str(record.payload["title"]).startswith("Song")
