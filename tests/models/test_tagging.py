"""``segue tag`` and ``segue index --tags`` with both models, tiny and random, as one types it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tests.cli.conftest import Segue
from tests.models.tiny import write_clamp3
from tests.models.tiny_clap import write_hub
from tests.signals import encode, song

AUDIO = (Path(__file__).parents[3] / "shared" / "audio").resolve()
LABELS = """\
# Words that the tiny tokenizer knows.
[mood]
slow
loud | loud drums | loud
[instrument]
piano
"""
NAMES = ["slow", "loud", "piano"]
FILES = 17


class Home:
    """A library that was indexed with labels, and the place of all it is made of."""

    def __init__(self, root: Path) -> None:
        self.music, self.data, self.labels = root / "music", root / "data", root / "labels.txt"
        self.run = Segue("--data", self.data, settings={})
        self.recordings = 0

    def file(self, number: int) -> Path:
        return self.music / f"{number:02d}.flac"

    def write(self, number: int, *, folder: Path | None = None) -> Path:
        path = (folder or self.music) / f"{number:02d}.flac"
        path.write_bytes(encode(song(number + 1, 1.5 + 0.1 * number), format="flac"))
        return path

    def payloads(self) -> dict[str, dict]:
        """By the stem of the file."""
        tracks = self.run.json("tracks", "list")["tracks"]
        return {Path(track["paths"][0]).stem: track["payload"] for track in tracks}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("home"))
    home.music.mkdir()
    for number in range(FILES):
        home.write(number)
    if AUDIO.is_dir():
        for path in sorted(AUDIO.glob("*.ogg"))[:2]:
            shutil.copy(path, home.music)
            home.recordings += 1
    home.labels.write_text(LABELS)
    models = home.data / "models"
    write_hub(models / "clap")
    write_clamp3(models / "clamp3")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SEGUE_")]:
            patch.delenv(name)
        patch.setenv("SEGUE_ENCODERS", "clap,clamp3")
        patch.setenv("SEGUE_CLAP_WEIGHTS", str(models / "clap"))
        patch.setenv("SEGUE_CLAMP3_WEIGHTS", str(models / "clamp3"))
        report = home.run.json("index", home.music, "--tags", home.labels, "--workers", 2)
        assert (report["indexed"], report["failed"]) == (FILES + home.recordings, [])
        yield home


def scores(payload: dict) -> dict[str, float]:
    return {name: payload.get(f"tag_{name}", 0.0) for name in NAMES}


def test_indexed_with_labels_every_track_is_scored_in_both_spaces(home: Home) -> None:
    tracks = home.payloads().values()
    revisions = {payload["tagged_by"] for payload in tracks}
    assert len(tracks) == FILES + home.recordings
    assert len(revisions) == 1
    report = home.run.json("tag")
    assert report["changed"] == 0
    assert [one["name"] for one in report["labels"]] == NAMES
    assert [one["group"] for one in report["labels"]] == ["mood", "mood", "instrument"]
    for one in report["labels"]:
        assert set(one["sets_apart"]) == {"clap", "clamp3"}
        tagged = [payload for payload in tracks if one["name"] in payload.get("tags", [])]
        assert one["tracks"] == len(tagged)
        held = home.run.json("tracks", "count", "--filter", f"{one['field']} >= 0.5")
        assert held["count"] == len(tagged)
    for payload in tracks:
        found = scores(payload)
        assert all(score == 0 or 0.1 <= score <= 1 for score in found.values())
        tags = {name for name, score in found.items() if score >= 0.5}
        assert set(payload.get("tags", [])) == tags
    # Random weights still order tracks: somebody scores above the floor.
    assert any(any(scores(payload).values()) for payload in tracks)


def test_one_file_is_scored_as_the_library_would(home: Home) -> None:
    payloads = home.payloads()
    answer = home.run.json("tag", "--audio", home.file(3), "--audio", home.file(5))
    assert answer["threshold"] == 0.5
    for number, sound in zip((3, 5), answer["sounds"], strict=True):
        assert sound["path"] == str(home.file(number))
        found = {one["name"]: one["score"] for one in sound["labels"]}
        listed = [one["score"] for one in sound["labels"]]
        assert listed == sorted(listed, reverse=True)
        for name, stored in scores(payloads[f"{number:02d}"]).items():
            # The library keeps vectors in float16, and no score below 0.1.
            assert found[name] == pytest.approx(stored, abs=0.02) or max(found[name], stored) < 0.12
            one = next(one for one in sound["labels"] if one["name"] == name)
            assert one["tag"] == (one["score"] >= 0.5)
    other = home.run("tag", "--audio", home.file(3), "--label", "bird", "--label", "piano")
    assert other.code == 0, other.err
    assert {row[1] for row in other.rows} == {"bird", "piano"}
    assert [one["name"] for one in home.run.json("tag", "--dry-run")["labels"]] == NAMES


def test_one_file_without_a_library_shows_what_it_can(home: Home, tmp_path: Path) -> None:
    elsewhere = Segue("--data", tmp_path / "nothing", settings={})
    command = ("tag", "--audio", home.file(3), "--label", "piano", "--label", "bird")
    answer = elsewhere.json(*command)
    assert answer["threshold"] is None
    (sound,) = answer["sounds"]
    assert {one["name"] for one in sound["labels"]} == {"piano", "bird"}
    assert all(-2 <= one["evidence"] <= 2 for one in sound["labels"])
    assert {one.name for one in (tmp_path / "nothing").iterdir()} <= {"graphs"}
    (one,) = elsewhere.json(*command, "--space", "clap")["sounds"]
    assert one["labels"] != sound["labels"]
    missing = elsewhere("tag", "--audio", home.file(3), "--json")
    assert (missing.code, missing.error["reason"]) == (5, "LIBRARY_MISSING")


def test_a_new_file_is_tagged_by_the_same_thresholds(home: Home, tmp_path: Path) -> None:
    before = home.payloads()
    answer = home.run.json("tag", "--audio", home.write(60, folder=tmp_path))
    home.write(60)
    assert home.run.json("index", home.music, "--workers", 1)["indexed"] == 1
    after = home.payloads()
    new = after.pop("60")
    assert new["tagged_by"] == before["00"]["tagged_by"]
    assert after == before
    for one in answer["sounds"][0]["labels"]:
        assert scores(new)[one["name"]] == (one["score"] if one["score"] >= 0.1 else 0.0)


@pytest.mark.parametrize(
    ("arguments", "code", "reason", "says"),
    [
        (("LABELS", "--label", "x"), 2, "INVALID_REQUEST", "not both"),
        (("--clear", "--dry-run"), 2, "INVALID_REQUEST", "--clear takes no"),
        (("--threshold", "0.05"), 2, "INVALID_REQUEST", "threshold"),
        (("--label", "!"), 2, "INVALID_LABELS", "no letter"),
        (("--label", "a b", "--label", "a-b"), 2, "INVALID_LABELS", "tag_a_b"),
        (("--label", "new", "--space", "lexical"), 5, "SPACE_UNAVAILABLE", "lexical"),
        (("nowhere.txt",), 2, "INVALID_REQUEST", "nowhere.txt"),
    ],
)
def test_bad_usage_is_told(
    home: Home, arguments: tuple[str, ...], code: int, reason: str, says: str
) -> None:
    given = [home.labels if one == "LABELS" else one for one in arguments]
    done = home.run("tag", *given, "--json")
    assert (done.code, done.error["reason"]) == (code, reason)
    assert says in done.error["message"]
    assert home.run.json("tag")["changed"] == 0


def test_the_whole_list_is_shown_in_a_pipe_and_cleared(home: Home) -> None:
    rows = home.run("tag", "--dry-run").rows
    assert [row[:2] for row in rows] == [
        ["mood", "slow"],
        ["mood", "loud"],
        ["instrument", "piano"],
    ]
    assert [row[-1] for row in rows] == [f"tag_{name}" for name in NAMES]
    assert home.run("tag", "--quiet").out == ""
    tracks = home.run.json("tracks", "count")["count"]
    one = home.run.json("tag", "--label", "slow | slow piano", "--recalibrate", "--space", "clap")
    assert (one["changed"], set(one["labels"][0]["sets_apart"])) == (tracks, {"clap"})
    assert home.run.json("tag", "--clear") == {"cleared": tracks}
    assert not any(name.startswith("tag") for name in home.payloads()["00"])
    gone = home.run("tag", "--json")
    assert (gone.code, gone.error["reason"]) == (2, "INVALID_LABELS")
    assert home.run("tag", "--clear").out == "cleared 0\n"
