"""From the hub to answers, as it is typed: fetch, index, restart, ask, export, import, tag."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")
pytest.importorskip("transformers")

from retrieval.encoders import registry, weights_catalogue
from retrieval.encoders.weights_catalogue import Weights
from tests.cli.conftest import Segue
from tests.models.hub import Hub
from tests.signals import encode, song

AUDIO = (Path(__file__).parents[3] / "shared" / "audio").resolve()
LENGTHS = [3.0 + seed / 4 for seed in range(14)] + [24.0, 47.0]
RECORDINGS = ("trumpet", "robin", "speech")
SPACES = ("clap", "clamp3")
with_recordings = pytest.mark.skipif(not AUDIO.is_dir(), reason="no recordings beside the project")


class Home:
    """A data folder with both models fetched, and a folder of music."""

    def __init__(self, root: Path) -> None:
        self.music = root / "music"
        self.data = root / "data"
        self.elsewhere = root / "elsewhere"
        self.run = Segue("--data", self.data, settings={})

    def file(self, number: int) -> Path:
        return self.music / f"{number:02d}.flac"

    def search(self, *args: object) -> list[dict]:
        return self.run.json("search", *args)["hits"]


@pytest.fixture(scope="module")
def home(
    served: tuple[Hub, tuple[Weights, ...]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Home]:
    hub, weights = served
    home = Home(tmp_path_factory.mktemp("home"))
    home.music.mkdir()
    for seed, seconds in enumerate(LENGTHS):
        home.file(seed).write_bytes(encode(song(seed + 1, seconds), format="flac"))
    if AUDIO.is_dir():
        (home.music / "recordings").mkdir()
        for name in RECORDINGS:
            shutil.copy(AUDIO / f"{name}.ogg", home.music / "recordings")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SEGUE_")]:
            patch.delenv(name)
        patch.setenv("SEGUE_DATA_DIR", str(home.elsewhere))
        patch.setattr(weights_catalogue, "WEIGHTS", weights)
        patch.setenv("HF_ENDPOINT", hub.endpoint)
        patch.setenv("NO_PROXY", "*")
        patch.setenv("SEGUE_ENCODERS", ",".join(SPACES))
        for name in SPACES:
            done = home.run("models", "download", name, "--accept-licence")
            assert done.code == 0, done.err
        report = home.run.json("index", home.music, "--workers", 2)
        assert report["failed"] == []
        assert report["indexed"] == len(LENGTHS) + (len(RECORDINGS) if AUDIO.is_dir() else 0)
        yield home


@pytest.mark.parametrize("space", SPACES)
def test_every_file_finds_itself_and_its_moments(home: Home, space: str) -> None:
    for number in (0, 9, 15):
        seconds = LENGTHS[number]
        best = home.search("--audio", home.file(number), "--space", space, "-k", 1)[0]
        assert best["paths"] == [str(home.file(number))]
        assert best["score"] == pytest.approx(1, abs=2e-3)
        assert best["segments"]
        assert all(0 <= s["start"] < s["end"] <= seconds + 0.01 for s in best["segments"])


def test_a_moment_finds_the_track_and_the_moment(home: Home, tmp_path: Path) -> None:
    samples, rate = soundfile.read(home.file(15))
    soundfile.write(tmp_path / "part.flac", samples[10 * rate : 20 * rate], rate)
    best = home.search("--audio", tmp_path / "part.flac", "--space", "clap", "-k", 1)[0]
    assert best["paths"] == [str(home.file(15))]
    moment = max(best["segments"], key=lambda segment: segment["score"])
    assert (moment["start"], moment["end"]) == (10, 20)


def test_words_sound_and_tracks_together(home: Home) -> None:
    alone = [hit["track"] for hit in home.search("fast piano", "-k", 30)]
    mixed = home.search("fast piano", "--audio", home.file(4), "--weight", "audio=9", "-k", 3)
    assert mixed[0]["paths"] == [str(home.file(4))]
    assert mixed[0]["track"] in alone
    near = home.search("fast piano", "--track", home.file(4), "-k", 3)
    assert home.file(4) not in [Path(path) for hit in near for path in hit["paths"]]
    filtered = home.search("fast piano", "--filter", "duration > 20 and duration < 30")
    lengths = [hit["payload"]["duration"] for hit in filtered]
    assert lengths
    assert all(20 < length < 30 for length in lengths)


def test_a_new_process_gives_the_same_answers(home: Home) -> None:
    child = subprocess.run(
        [
            *(sys.executable, "-m", "retrieval.cli", "--data", home.data),
            *("search", "fast piano", "--space", "clamp3", "-k", "4", "--json"),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )
    here = home.search("fast piano", "--space", "clamp3", "-k", 4)
    there = json.loads(child.stdout)["hits"]
    assert [hit["track"] for hit in there] == [hit["track"] for hit in here]
    for a, b in zip(there, here, strict=True):
        assert a["score"] == pytest.approx(b["score"], abs=1e-4)


def test_what_is_known_of_models_is_in_the_folder_of_the_option(home: Home) -> None:
    kept = {path.suffix for path in (home.data / "graphs").iterdir()}
    assert {".holds", ".facts"} & kept
    assert not home.elsewhere.exists()


def test_nothing_is_encoded_twice(home: Home) -> None:
    registry._load.cache_clear()
    report = home.run.json("index", home.music, "--workers", 1)
    assert (report["indexed"], report["updated"], report["failed"]) == (0, 0, [])


def test_conversion_in_between_changes_nothing(home: Home) -> None:
    before = home.search("fast piano", "--space", "clamp3", "-k", 4)
    assert home.run("models", "convert", "clamp3").code == 0
    registry._load.cache_clear()
    after = home.search("fast piano", "--space", "clamp3", "-k", 4)
    assert [hit["track"] for hit in after] == [hit["track"] for hit in before]
    report = home.run.json("index", home.music, "--workers", 1)
    assert (report["indexed"], report["updated"]) == (0, 0)


def test_export_and_import_into_another_library(home: Home, tmp_path: Path) -> None:
    home.run.json("export", tmp_path / "out", "--space", "clamp3")
    vectors = sorted((tmp_path / "out" / "features").rglob("*.npy"))
    assert len(vectors) == home.run.json("tracks", "count")["count"]
    array = np.load(vectors[0])
    assert (array.dtype, array.shape) == (np.float32, (1, 64))
    other = Segue("--data", home.data, "--library", "imported", settings={})
    report = other.json("index", "--features", tmp_path / "out" / "features")
    assert report["failed"] == []
    words = other.json("search", "fast piano", "--space", "clamp3", "-k", 4)["hits"]
    expected = home.search("fast piano", "--space", "clamp3", "-k", 4)
    assert [hit["track"] for hit in words] == [hit["track"] for hit in expected]


def test_tags_by_a_list_of_labels(home: Home, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("drums\nbird\nslow\nloud\n")
    report = home.run.json("tag", labels, "--space", "clap")
    assert [one["name"] for one in report["labels"]] == ["drums", "bird", "slow", "loud"]
    assert report["tracks"] == home.run.json("tracks", "count")["count"]
    assert all(set(one["sets_apart"]) == {"clap"} for one in report["labels"])
    tagged = home.run.json("tracks", "list", "--filter", "exists tags")["tracks"]
    assert len(tagged) == report["tagged"]
    for one in report["labels"]:
        having = [track for track in tagged if one["name"] in track["payload"]["tags"]]
        assert len(having) == one["tracks"]
        assert all(0.5 <= track["payload"][one["field"]] <= 1 for track in having)


@with_recordings
def test_recordings_find_themselves_through_another_format(home: Home, tmp_path: Path) -> None:
    original = home.music / "recordings" / "trumpet.ogg"
    samples, rate = soundfile.read(original, dtype="float32", always_2d=True)
    copy = tmp_path / "trumpet.mp3"
    copy.write_bytes(encode(samples, rate, "mp3"))
    for space in SPACES:
        hits = home.search("--audio", copy, "--space", space, "-k", 1)
        assert hits[0]["paths"] == [str(original)], space
        assert hits[0]["score"] > 0.9


@with_recordings
def test_recordings_with_filter_and_segments(home: Home) -> None:
    hits = home.search("slow piano", "--filter", 'folder = "recordings"', "--segments", 2, "-k", 8)
    folders = {Path(path).parent.name for hit in hits for path in hit["paths"]}
    assert folders == {"recordings"}
    for hit in hits:
        assert all(s["end"] <= hit["payload"]["duration"] + 0.1 for s in hit["segments"])


FULL = """
import resource, sys
size = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
from retrieval.cli import main
main()
"""


@pytest.mark.parametrize("size", [20_000, 5_000_000])
def test_a_full_disk_ends_a_run_and_a_later_one_goes_on(
    home: Home, size: int, tmp_path: Path
) -> None:
    """At first not even the engine's log has room, then some of it."""
    data = tmp_path / "data"
    arguments = ["--data", data, "index", home.file(0), home.file(1), "--workers", 1, "--json"]
    child = subprocess.run(
        [sys.executable, "-c", FULL, str(size), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "SEGUE_CLAP_WEIGHTS": str(home.data / "models" / "clap"),
            "SEGUE_ENCODERS": "clap",
            # Making graphs in two more folders would only take time.
            "SEGUE_RUNTIME": "torch",
        },
    )
    error = json.loads(child.stderr.splitlines()[-1])["error"]
    assert (child.returncode, error["reason"]) == (6, "DISK_FULL"), child.stderr
    assert "the disk is full" in error["message"]
    assert "free some space" in error["message"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGUE_CLAP_WEIGHTS", str(home.data / "models" / "clap"))
        patch.setenv("SEGUE_ENCODERS", "clap")
        patch.setenv("SEGUE_RUNTIME", "torch")
        run = Segue("--data", data, settings={})
        assert run.json("index", home.file(0), home.file(1))["indexed"] == 2
        assert len(run.json("search", "fast piano")["hits"]) == 2
