"""Tagging a library that runs behind a service."""

from __future__ import annotations

from pathlib import Path

from indexer.tagging import clear, tag
from indexer.tagging_measure import Wish
from retrieval.client import Client
from retrieval.core.filters import Equals
from tests.indexer.planted import LABELS, Meanings, fill, open_planted, plant
from tests.service.running import Running, settings


def test_tags_through_a_service(tmp_path: Path) -> None:
    records, truth = plant(300)
    library = open_planted(tmp_path)
    fill(library, records, Meanings())
    manifests = tmp_path / "manifests"
    with (
        Running(settings(tmp_path), lambda: library) as service,
        Client(service.address) as client,
    ):
        report = tag(client, {"planted": Meanings()}, Wish(LABELS), manifest_dir=manifests)
        calm = truth["calm"].sum()
        assert report.changed == 300
        assert abs(client.count_tracks(Equals("tags", "calm")) - calm) <= 0.1 * calm
        assert tag(client, {}, Wish(), manifest_dir=manifests).changed == 0
        assert clear(client, manifest_dir=manifests) == 300
