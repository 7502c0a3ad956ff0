"""Tracks are described as they are indexed: once, by what is missing, and never for nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.rows import FileRow, TrackRow, compose
from retrieval.core.errors import NotFoundError
from retrieval.core.payload import Payload
from retrieval.describe.protocol import Findings, Sound
from retrieval.describe.registry import load
from retrieval.encoders.registry import EncoderSet
from retrieval.search import LocalLibrary
from retrieval.store.series import SeriesFolder
from tests.indexer.conftest import Place

CHOSEN = ("loudness", "silence")


@pytest.fixture
def library(place: Place) -> LocalLibrary:
    assert place.store is not None
    folder = SeriesFolder(place.data / "series" / "music")
    place.library = LocalLibrary(place.store, EncoderSet(place.encoders), series=folder)
    return place.library


def test_a_track_is_described_once_and_what_is_missing_later(
    place: Place, library: LocalLibrary
) -> None:
    place.song("a.wav", 1)
    place.song("copy.wav", 1)
    report = place.index(descriptors=CHOSEN)
    assert (report.indexed, report.duplicates) == (1, 1)
    track = place.track("a.wav")
    assert -40 < track.payload["loudness_lufs"] < 0  # type: ignore[operator]
    assert "spectral_centroid" not in track.payload
    (loudness,) = library.get_series(track.id)
    assert (loudness.name, loudness.unit, len(loudness.values)) == ("loudness", "LUFS", 12)
    place.work()

    assert place.index(descriptors=CHOSEN).unchanged == 2
    report = place.index(descriptors=(*CHOSEN, "timbre"))
    assert (report.updated, report.unchanged) == (1, 1)
    assert place.work() == 0, "nothing was encoded again"
    after = place.track("a.wav").payload
    assert after["spectral_centroid"] > 100  # type: ignore[operator]
    assert {k: after[k] for k in track.payload} == dict(track.payload)
    assert [one.name for one in library.get_series(track.id)] == ["loudness", "spectrum"]
    assert place.index().unchanged == 2, "what was told stays without descriptors"
    assert place.track("a.wav").payload == after


def test_a_newer_version_tells_anew_and_nothing_else(
    place: Place, library: LocalLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.song("a.wav", 1)
    place.index(descriptors=CHOSEN)
    before = place.track("a.wav")
    place.work()
    silence = load("silence")
    monkeypatch.setattr(silence, "version", silence.version + 1)
    assert place.index(descriptors=CHOSEN).updated == 1
    assert place.index(descriptors=CHOSEN).unchanged == 1
    assert place.work() == 0
    assert place.track("a.wav") == before


def test_facts_outlive_another_encoding_and_series_go_with_the_track(
    place: Place, library: LocalLibrary
) -> None:
    song = place.song("a.wav", 1)
    place.index(descriptors=CHOSEN)
    track = place.track("a.wav")
    manifests = place.data / "manifests"
    # As if an encoder had been replaced: every space is encoded again.
    import sqlite3

    (path,) = manifests.glob("*.sqlite")
    with sqlite3.connect(path) as db:
        db.execute("UPDATE tracks SET spaces = '{}'")
    db.close()
    assert place.index(descriptors=CHOSEN).updated == 1
    assert place.track("a.wav").payload == track.payload
    assert library.get_series(track.id, ["loudness", "chords"])
    song.unlink()
    assert place.index(prune=True).removed == 1
    assert not [p for p in (place.data / "series").rglob("*") if p.is_file()]
    with pytest.raises(NotFoundError):
        library.get_series(track.id)


class Broken:
    """A descriptor that fails."""

    name, version, fields, series = "silence", 1, (), ()

    def describe(self, sound: Sound) -> Findings:
        raise ZeroDivisionError("of what is not there")


def test_a_descriptor_that_breaks_down_takes_nothing_with_it(
    place: Place, library: LocalLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.song("a.wav", 1)
    monkeypatch.setattr("indexer.run.load_all", lambda names: (load("loudness"), Broken()))
    report = place.index(descriptors=CHOSEN)
    assert report.indexed == 1
    (note,) = report.notes
    assert note.reason == "DESCRIBING_FAILED" and "ZeroDivisionError" in note.message
    assert "loudness_lufs" in place.track("a.wav").payload
    assert place.index(descriptors=CHOSEN).unchanged == 1


def payload(tags: Payload, computed: Payload, sidecar: Payload | None = None) -> Payload:
    row = FileRow("/m/a.wav", "/m", 1, 1, None, "t", "wav", tags, 1, sidecar or {})
    made = compose(TrackRow("t", computed, "2026-01-01T00:00:00+00:00"), [row])
    return {name: made[name] for name in ("bpm", "key", "mode", "camelot") if name in made}


MEASURED = {"bpm_measured": 120.5, "key_measured": "F# minor"}


@pytest.mark.parametrize(
    ("tags", "computed", "found"),
    [
        ({}, {}, {}),
        ({}, MEASURED, {"bpm": 120.5, "key": "F#", "mode": "minor", "camelot": "11A"}),
        (
            {"bpm": 60.0, "key": "Gbm"},
            MEASURED,
            {"bpm": 60.0, "key": "F#", "mode": "minor", "camelot": "11A"},
        ),
        ({"key": "8B"}, {}, {"key": "C", "mode": "major", "camelot": "8B"}),
        ({"key": "o"}, {}, {"key": "o"}),
        (
            {"key": "o"},
            MEASURED,
            {"bpm": 120.5, "key": "F#", "mode": "minor", "camelot": "11A"},
        ),
    ],
)
def test_what_a_person_wrote_wins_over_what_was_measured(
    tags: Payload, computed: Payload, found: Payload
) -> None:
    assert payload(tags, computed) == found
    assert payload({}, computed, tags) == found


def test_long_sound_is_described_in_bounded_memory(tmp_path: Path) -> None:
    from retrieval.describe.intake import Intake
    from retrieval.describe.protocol import LONGEST, RATE

    intake = Intake(RATE, 1)
    block = np.full((RATE * 60, 1), 0.1, dtype=np.float32)
    for _ in range(12):
        intake.push(block, block[:, 0])
    sound = intake.finish()
    assert (sound.seconds, sound.duration) == (LONGEST, 720.0)
    assert len(sound.levels.momentary) == 7_200
