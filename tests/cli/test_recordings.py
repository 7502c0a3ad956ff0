"""Real recordings through the command line: the promises of the main job."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from tests.cli.conftest import Segue
from tests.signals import encode

AUDIO = (Path(__file__).parents[3] / "shared" / "audio").resolve()
pytestmark = pytest.mark.skipif(not AUDIO.is_dir(), reason="no recordings beside the project")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    run = Segue("--data", tmp_path_factory.mktemp("recordings"))
    report = run.json("index", AUDIO, "--workers", 2)
    assert (report["found"], report["indexed"], report["failed"]) == (8, 8, [])
    return run


def test_eight_tracks(recordings):
    assert recordings.json("tracks", "count")["count"] == 8


def test_every_recording_finds_itself_first(recordings):
    for path in sorted(AUDIO.glob("*.ogg")):
        first, second = recordings.json("search", "--audio", path, "-k", 2)["hits"]
        assert first["paths"] == [str(path)]
        assert first["score"] == pytest.approx(0.0, abs=1e-3)
        assert second["score"] < first["score"] - 0.1
        assert first["segments"]


@pytest.mark.parametrize("form", ["mp3", "flac", "m4a"])
def test_the_trumpet_in_another_format_finds_its_original(recordings, tmp_path, form):
    samples, rate = soundfile.read(AUDIO / "trumpet.ogg", dtype="float32", always_2d=True)
    copy = tmp_path / f"trumpet.{form}"
    copy.write_bytes(encode(samples, rate, form))
    hits = recordings.json("search", "--audio", copy, "-k", 2)["hits"]
    assert hits[0]["paths"] == [str(AUDIO / "trumpet.ogg")]
    assert hits[0]["score"] > hits[1]["score"] + 0.5


def test_words_find_them(recordings):
    hits = recordings.json("search", "sugar plum fairy")["hits"]
    assert Path(hits[0]["paths"][0]).name == "nutcracker.ogg"


def test_the_same_file_under_another_name_adds_no_track(recordings, tmp_path):
    (tmp_path / "renamed.ogg").write_bytes((AUDIO / "robin.ogg").read_bytes())
    report = recordings.json("index", tmp_path, "--workers", 1)
    assert (report["indexed"], report["duplicates"]) == (0, 1)
    assert recordings.json("tracks", "count")["count"] == 8
    track = recordings.json("tracks", "show", AUDIO / "robin.ogg")["tracks"][0]
    assert set(track["paths"]) == {str(AUDIO / "robin.ogg"), str(tmp_path / "renamed.ogg")}
