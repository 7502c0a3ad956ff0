"""What a run does to the library, over real files, workers and an embedded store."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from indexer import Progress, Stage
from retrieval.core.queries import SearchRequest, TextQuery, WeightedQuery
from retrieval.search import LocalLibrary
from tests.indexer.conftest import Place
from tests.indexer.encoders import BandsEncoder


@pytest.fixture(autouse=True)
def two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "workers", 2)


def test_first_run_and_second_run(place: Place) -> None:
    place.song("Jazz/So What.flac", 1, title="So What", artist="Miles Davis", year=1959)
    place.song("Rock/02 untagged_song.WAV", 2, format="wav")
    place.song("c.ogg", 3, title="Third", genre="Folk;Rock", bpm=96)
    told: list[Progress] = []
    report = place.index(progress=told.append)
    assert (report.found, report.indexed, report.failed) == (3, 3, ())
    assert told[-1].stage is Stage.FINISH
    assert (told[-1].done, told[-1].total) == (3, 3)
    assert told[-1].audio_seconds == pytest.approx(3.6, abs=0.2)
    assert [p.done for p in told] == sorted(p.done for p in told if p.stage is not Stage.SCAN) or (
        told[0].stage is Stage.SCAN
    )

    track = place.track("Jazz/So What.flac")
    assert track.payload["title"] == "So What"
    assert track.payload["artist"] == "Miles Davis"
    assert track.payload["year"] == 1959
    assert track.payload["folder"] == "Jazz"
    assert track.payload["format"] == "flac"
    assert track.payload["sample_rate"] == 16_000
    assert track.payload["channels"] == 2
    assert track.payload["duration"] == pytest.approx(1.2)
    assert "brightness" in track.payload
    assert place.track("Rock/02 untagged_song.WAV").payload["title"] == "02 untagged_song"
    assert place.track("c.ogg").payload["genre"] == ("Folk", "Rock")
    assert place.track("c.ogg").payload["bpm"] == 96.0
    for record in place.records():
        assert set(record.vectors) == {"perceptual", "lexical"}
        assert len(record.segments) == 1
    assert place.work() == 3

    before = place.records()
    report = place.index()
    assert (report.found, report.unchanged) == (3, 3)
    assert place.work() == 0
    assert [r.payload for r in place.records()] == [r.payload for r in before]


def test_words_are_searched(place: Place) -> None:
    place.song("Jazz/a.flac", 1, title="So What", artist="Miles Davis")
    place.song("b.flac", 2, title="Blue Train")
    place.index()
    library = place.library
    assert isinstance(library, LocalLibrary)
    query = WeightedQuery(TextQuery("miles"), spaces=("lexical",))
    hits = library.search(SearchRequest((query,))).hits
    assert [hit.track.payload["title"] for hit in hits] == ["So What"]


def test_folder_words_are_of_the_outermost_root(place: Place) -> None:
    place.song("Rock/Live/a.flac", 1)
    place.index(place.music / "Rock")
    assert place.track("Rock/Live/a.flac").payload["folder"] == "Live"
    report = place.index()
    assert report.updated == 1
    assert place.track("Rock/Live/a.flac").payload["folder"] == "Rock/Live"
    report = place.index(place.music / "Rock/Live")
    assert report.unchanged == 1
    assert place.track("Rock/Live/a.flac").payload["folder"] == "Rock/Live"
    assert place.work() == 1


def test_sidecar_updates_without_encoding(place: Place, tmp_path: Path) -> None:
    place.song("a.flac", 1, title="Tagged", artist="Someone")
    place.song("b.flac", 2)
    sidecar = tmp_path / "more.csv"
    sidecar.write_text("path,title,mood,plays\na.flac,Given,calm,3\nb.flac,,wild,12\n")
    place.index(metadata=sidecar)
    first = place.track("a.flac").payload
    assert (first["title"], first["artist"], first["mood"], first["plays"]) == (
        "Given",
        "Someone",
        "calm",
        3,
    )
    sidecar.write_text("path,title,mood,plays\na.flac,,calm,4\nb.flac,,wild,12\n")
    report = place.index(metadata=sidecar)
    assert (report.updated, report.unchanged) == (1, 1)
    payload = place.track("a.flac").payload
    assert (payload["title"], payload["plays"]) == ("Tagged", 4)
    # Without --metadata the values stay.
    assert place.index().unchanged == 2
    assert place.track("b.flac").payload["mood"] == "wild"
    # A file that is given without a row for it loses them.
    sidecar.write_text("path,mood\na.flac,calm\n")
    place.index(metadata=sidecar)
    assert "mood" not in place.track("b.flac").payload
    assert place.work() == 2


def test_sidecar_notes_fail_no_file(place: Place, tmp_path: Path) -> None:
    place.song("a.flac", 1)
    sidecar = tmp_path / "more.json"
    rows = [{"path": "a.flac", "year": "soon"}, {"path": "elsewhere.flac", "year": 1999}]
    sidecar.write_text(json.dumps(rows))
    report = place.index(metadata=sidecar)
    assert (report.indexed, report.failed) == (1, ())
    assert len(report.notes) == 2
    assert "year" not in place.track("a.flac").payload


def test_one_more_space_encodes_that_space_only(place: Place) -> None:
    for seed in range(3):
        place.song(f"{seed}.flac", seed, seconds=3.0)
    place.index()
    assert place.work() == 3
    before = {record.id: record for record in place.records()}

    place.encoders.append(BandsEncoder(place.log.path))
    report = place.index()
    assert (report.updated, report.indexed, report.failed) == (3, 0, ())
    lines = place.log.lines()
    assert lines == ["bands"] * 6
    for record in place.records():
        old = before[record.id]
        assert record.payload == old.payload
        assert set(record.vectors) == {"perceptual", "lexical", "bands"}
        assert np.array_equal(record.vectors["perceptual"], old.vectors["perceptual"])
        spans = {segment.span: set(segment.vectors) for segment in record.segments}
        assert sum("perceptual" in spaces for spaces in spans.values()) == 1
        assert sum("bands" in spaces for spaces in spans.values()) == 2
    assert place.index().unchanged == 3


def test_a_library_without_records_is_encoded_again_in_full(place: Place) -> None:
    class WriterOnly:
        """What the indexer needs of a library, and no more."""

        def __init__(self, library: LocalLibrary) -> None:
            for name in ("declare", "write", "update", "fetch", "delete_tracks"):
                setattr(self, name, getattr(library, name))
            self.refit, self.optimize = library.refit, library.optimize

    place.song("a.flac", 1, seconds=3.0)
    assert isinstance(place.library, LocalLibrary)
    place.library = WriterOnly(place.library)  # type: ignore[assignment]
    place.index()
    place.encoders.append(BandsEncoder())
    report = place.index()
    assert report.updated == 1
    (record,) = place.records()
    assert set(record.vectors) == {"perceptual", "lexical", "bands"}
    assert place.work() == 2


def test_a_track_that_the_library_lost_comes_back(place: Place) -> None:
    place.song("a.flac", 1)
    place.song("b.flac", 2)
    place.index()
    place.library.delete_tracks([place.track("a.flac").id])
    report = place.index()
    assert (report.indexed, report.unchanged) == (1, 1)
    assert len(place.tracks()) == 2


def test_another_library_starts_anew(place: Place) -> None:
    place.song("a.flac", 1)
    place.index()
    place.close()
    for folder in place.data.iterdir():
        if folder.name != "manifests":
            shutil.rmtree(folder)
    place.open()
    report = place.index()
    assert report.indexed == 1
    assert len(place.tracks()) == 1


def test_a_lost_manifest_keeps_the_date(place: Place) -> None:
    place.song("a.flac", 1)
    place.index()
    since = place.track("a.flac").payload["indexed_at"]
    place.library.update([])
    shutil.rmtree(place.data / "manifests")
    report = place.index()
    assert report.indexed == 1
    assert place.track("a.flac").payload["indexed_at"] == since


def test_statistics_are_frozen_from_sixteen_tracks(place: Place) -> None:
    for seed in range(15):
        place.song(f"{seed}.flac", seed, seconds=1.1)
    place.index()
    assert isinstance(place.library, LocalLibrary)
    assert place.library.info().statistics == {}
    place.song("last.flac", 15, seconds=1.1)
    place.index()
    frozen = place.library.info().statistics["perceptual"]
    assert frozen.count == 16
    place.song("more.flac", 16, seconds=1.1)
    place.index()
    assert place.library.info().statistics["perceptual"] == frozen
