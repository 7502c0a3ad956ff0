"""``segue compare``: sounds, vectors and folders of them, without a library."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from indexer.compare import compare
from indexer.options import IndexOptions
from indexer.sides import read_side
from retrieval.encoders.registry import load
from tests.cli.conftest import Music, Segue
from tests.signals import encode, song


@pytest.fixture
def segue(tmp_path: Path) -> Segue:
    """Commands where there is no library, and none is made."""
    return Segue("--data", tmp_path / "nothing")


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Two folders: the same songs in other formats, and one more on each side."""
    for side, kind in (("a", "wav"), ("b", "flac")):
        for name, seed in (("x/one", 1), ("two", 2), (f"only {side}", ord(side))):
            path = tmp_path / side / f"{name}.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(song(seed, 2.0), format=kind))
    return tmp_path


def scores(told: dict[str, object]) -> dict[str, float]:
    return {one["name"]: one["score"] for one in told["spaces"]}  # type: ignore[attr-defined]


def test_two_files(segue: Segue, sounds: Path, music: Music) -> None:
    same = segue.json("compare", sounds / "a/two.wav", sounds / "b/two.flac")
    assert same["spaces"] == [
        {"name": "perceptual", "measure": "distance", "score": pytest.approx(0.0, abs=1e-4)}
    ]
    other = segue.json("compare", sounds / "a/two.wav", music.path(0))
    assert scores(other)["perceptual"] < -0.1
    done = segue("compare", sounds / "a/two.wav", sounds / "b/two.flac")
    ((space, measure, score, pairs),) = done.rows
    assert (space, measure, pairs) == ("perceptual", "distance", "1")
    assert float(score) == pytest.approx(0.0, abs=1e-4)
    assert not (sounds / "nothing").exists()


def test_two_folders(segue: Segue, sounds: Path) -> None:
    told = segue.json("compare", sounds / "a", sounds / "b", "--workers", 2)
    assert [(pair["a"], pair["b"]) for pair in told["pairs"]] == [("two", "two"), ("x/one",) * 2]
    assert told["unpaired"] == ["only a", "only b"]
    found = [pair["scores"]["perceptual"] for pair in told["pairs"]]
    assert scores(told)["perceptual"] == pytest.approx(np.mean(found))
    assert max(map(abs, found)) < 1e-3
    done = segue("compare", sounds / "a", sounds / "b", "--pairs")
    assert [row[1:] for row in done.rows[:2]] == [["two", "two"], ["x/one", "x/one"]]
    assert "2 without a partner: only a, only b" in done.err


def test_a_file_and_a_folder(segue: Segue, sounds: Path) -> None:
    told = segue.json("compare", sounds / "a/two.wav", sounds / "b")
    assert told["pairs"][0]["b"] == "two"
    assert len(told["pairs"]) == 3
    ranked = [pair["scores"]["perceptual"] for pair in told["pairs"]]
    assert ranked == sorted(ranked, reverse=True)
    assert segue("compare", sounds / "a/two.wav", sounds / "b").rows[0][2] == "two"


def test_vectors(segue: Segue, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    made: dict[str, list[np.ndarray]] = {"a": [], "b": []}
    for side, vectors in made.items():
        (tmp_path / side / "x").mkdir(parents=True)
        for name in ("one", "x/two"):
            vectors.append(rng.normal(size=12).astype(np.float32))
            np.save(tmp_path / side / f"{name}.npy", vectors[-1][None])

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    told = segue.json("compare", tmp_path / "a", tmp_path / "b")
    wanted = [cosine(a, b) for a, b in zip(made["a"], made["b"], strict=True)]
    assert [pair["scores"]["vectors"] for pair in told["pairs"]] == pytest.approx(wanted, abs=1e-6)
    assert scores(told)["vectors"] == pytest.approx(np.mean(wanted), abs=1e-6)
    told = segue.json("compare", tmp_path / "a", tmp_path / "b", "--group")
    means = cosine(np.mean(made["a"], axis=0), np.mean(made["b"], axis=0))
    assert scores(told)["vectors"] == pytest.approx(means, abs=1e-6)
    assert len(told["pairs"]) == 1


def test_vectors_with_sound(segue: Segue, sounds: Path, run: Segue, music: Music) -> None:
    run("export", sounds / "out", "--space", "perceptual")
    folder = sounds / "out" / "features"
    told = segue.json("compare", folder, music.folder, "--space", "perceptual")
    assert len(told["pairs"]) == 6
    assert scores(told)["perceptual"] == pytest.approx(0.0, abs=1e-3)
    np.save(folder / "00.npy", np.ones(7))
    refused = segue("compare", folder / "00.npy", music.path(0), "--json")
    assert (refused.code, refused.error["reason"]) == (5, "MODEL_MISSING")


def test_one_bad_file_is_one_line(segue: Segue, sounds: Path) -> None:
    for side in ("a", "b"):
        (sounds / side / "bad.wav").write_bytes(b"RIFF and nothing more")
        (sounds / side / "silent.wav").write_bytes(encode(np.zeros(44_100, np.float32)))
    shutil.copy(sounds / "a/two.wav", sounds / "a/two.wave")
    done = segue("compare", sounds / "a", sounds / "b", "--json")
    assert done.code == 3
    failed = {(Path(f["path"]).name, f["reason"]) for f in done.json["failed"]}
    assert {("silent.wav", "AUDIO_SILENT"), ("two.wave", "FEATURES_AMBIGUOUS")} < failed
    assert [pair["a"] for pair in done.json["pairs"]] == ["x/one"]
    assert len(done.json["failed"]) == 6


def test_a_stopped_comparison_says_so(sounds: Path) -> None:
    stop = threading.Event()
    sides = [read_side(sounds / side) for side in "ab"]
    options = IndexOptions(workers=1)
    started = compare(*sides, [load("perceptual")], options=options, stop=stop)
    assert (started.interrupted, len(started.pairs)) == (False, 2)
    stop.set()
    stopped = compare(*sides, [load("perceptual")], options=options, stop=stop)
    assert (stopped.interrupted, stopped.pairs) == (True, ())


def test_what_cannot_be_compared(segue: Segue, sounds: Path) -> None:
    (sounds / "empty").mkdir()
    for args, code in (
        (("compare", sounds / "a"), 2),
        (("compare", sounds / "a", sounds / "empty"), 2),
        (("compare", sounds / "a", sounds / "missing"), 2),
        (("compare", "--text", "calm", sounds / "a"), 5),
        (("compare", "--text", "calm", sounds / "a", sounds / "b"), 2),
        (("compare", sounds / "a", sounds / "b", "--space", "nothing"), 2),
        (("compare", sounds / "a/x", sounds / "b"), 2),
    ):
        done = segue(*args)
        assert (done.code, done.out) == (code, ""), args
        assert "Traceback" not in done.err
