"""Chords and beats of other tools become series and fields of the tracks they are named for."""

from __future__ import annotations

from pathlib import Path

import pytest

from indexer.formats.beats import BeatTrack
from indexer.labels import beat_findings
from retrieval.settings import Settings
from retrieval.store.series import SeriesFolder
from tests.cli.conftest import Segue
from tests.signals import chords, encode, noise


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    root = tmp_path_factory.mktemp("labels")
    music = root / "music"
    (music / "album").mkdir(parents=True)
    (music / "album" / "one.wav").write_bytes(encode(chords((60, 67, 69, 65) * 3), format="wav"))
    (music / "two.wav").write_bytes(encode(noise(9.0, seed=3), format="wav"))
    return root


@pytest.fixture(scope="module")
def segue(studio):
    with pytest.MonkeyPatch.context() as patch:
        # The quickest two: labels have nothing to do with vectors.
        patch.setenv("SEGUE_ENCODERS", "perceptual,lexical")
        yield Segue("--data", studio / "data")


def put(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def index(segue, studio, labels: Path, *more: object):
    done = segue(*("index", studio / "music", "--labels", labels, "--workers", 1, "--json"), *more)
    assert done.code in {0, 3}, done.err
    return done.json["labels"]


def tracks(segue) -> dict[str, dict]:
    shown = segue.json("tracks", "list")["tracks"]
    return {Path(track["paths"][0]).stem: track for track in shown}


def test_labels_become_facts_and_stay(segue, studio, tmp_path) -> None:
    labels = put(
        tmp_path / "labels",
        album__one_lab="0 2 A:min7\n2 4 F\n4 6 C:maj7\n6 8 G:7\n8 10 Am\n10 12 N\n12 15 F:sus4\n",
        two_beats="0.5\t1\n1.0\t2\n1.5\t3\n2.0\t1\n2.5\t2\n",
    )
    report = index(segue, studio, labels)
    assert (report["found"], report["chords"], report["beats"]) == (2, 1, 1)
    for again in (False, True):
        if again:
            # An index run without labels measures nothing anew.
            segue.json("index", studio / "music", "--workers", 1)
        one, two = (tracks(segue)[name] for name in ("one", "two"))
        assert set(one["payload"]["chords"]) == {"Am", "F", "C", "G"}
        assert "m8M7M7M" in one["payload"]["progressions"]
        assert two["payload"]["bpm_measured"] == 120.0
        assert two["payload"]["bpm"] == 120.0
    found = segue.json("tracks", "list", "--filter", 'progressions = "m8M7M7M"')["tracks"]
    assert [track["track"] for track in found] == [one["track"]]
    kept = SeriesFolder.of(Settings(data_dir=studio / "data"))
    series = {each.name: each for each in kept.read(one["track"])}
    spans = series["chords"]
    assert [spans.label(n) for n in range(3)] == ["A:min7", "F", "C:maj7"]
    assert spans.times is not None and spans.times.tolist()[:3] == [0, 2, 4]
    by_second = series["chords_by_second"]
    assert [by_second.label(n) for n in (0, 3, 11, 13)] == ["A:min", "F", "N", "N"]
    beats = {each.name: each for each in kept.read(two["track"])}
    assert beats["beats"].values.tolist() == [1, 2, 3, 1, 2]
    assert beats["downbeats"].starts.tolist() == [0.5, 2.0]


def test_what_fails_is_a_line_and_changes_nothing(segue, studio, tmp_path) -> None:
    labels = put(
        tmp_path / "labels",
        one_lab="0 N\n1 N\n",
        two_csv="Chord,Start,End\nwhat,0,1\n",
        three_lab="0 1 C\n",
        two_beats="x\n",
    )
    report = index(segue, studio, labels)
    assert (report["chords"], report["beats"]) == (0, 0)
    assert {Path(f["path"]).name: f["reason"] for f in report["failed"]} == {
        "one.lab": "FEATURES_UNREADABLE",
        "two.csv": "FEATURES_UNREADABLE",
        "two.beats": "FEATURES_UNREADABLE",
        "three.lab": "FEATURES_UNMATCHED",
    }
    assert "two.beats, line 1" in str(report["failed"])
    assert segue("index", "--labels", labels).code == 2


@pytest.mark.parametrize(
    ("times", "bpm"), [((0.0,), None), ((0.0, 0.5, 1.0, 1.9), 120.0), ((0.0, 9.0), None)]
)
def test_a_tempo_follows_from_beats_where_it_can(times, bpm) -> None:
    found = beat_findings(BeatTrack(times, (0,) * len(times)))
    assert found.scalars.get("bpm_measured") == bpm
    assert [series.name for series in found.series] == ["beats", "downbeats"]
