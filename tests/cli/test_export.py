"""``segue export`` and ``segue index --features``, as people and scripts call them."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import TITLES, Music, Segue
from tests.store.grpc_qdrant import Engine


def test_export_and_import_again(run: Segue, ids: list[str], tmp_path: Path) -> None:
    told = run.json("export", tmp_path / "out", "--space", "perceptual")
    folder = tmp_path / "out" / "features"
    assert told["spaces"] == {"perceptual": str(folder)}
    assert (told["tracks"], told["written"], told["failed"]) == (6, 6, [])
    assert {path.name for path in folder.glob("*.npy")} == {f"{n:02d}.npy" for n in range(6)}
    other = Segue("--data", tmp_path / "data")
    report = other.json("index", "--features", folder)
    assert (report["found"], report["features"]["added"]) == (0, 6)
    tracks = {track["track"]: track for track in other.json("tracks", "list")["tracks"]}
    assert set(tracks) == set(ids)
    assert {track["title"] for track in tracks.values()} == set(TITLES)
    assert tracks[ids[0]]["payload"]["mood"] == "calm"
    asked = ("similar", ids[0], "--space", "perceptual", "--segments", 0)
    assert other(*asked).rows == run(*asked).rows
    assert other("search", "river").rows[0][1] == "Red River"
    assert other.json("index", "--features", folder)["features"]["unchanged"] == 6


def test_export_says_what_it_did(run: Segue, tmp_path: Path) -> None:
    done = run("export", tmp_path, "--filter", 'genre = "jazz"')
    assert done.code == 0
    assert "2 tracks" in done.out
    assert str(tmp_path / "features") in done.out
    assert run("export", tmp_path, "-q").out == ""
    (tmp_path / "features" / "00.npy").write_bytes(b"mine")
    (tmp_path / "features" / "tracks.jsonl").unlink()
    done = run("export", tmp_path)
    assert done.code == 3
    assert "00.npy: another file is there" in done.err


def test_export_to_parquet(run: Segue, ids: list[str], tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    told = run.json("export", tmp_path / "all.parquet", "--format", "parquet")
    assert (told["tracks"], told["rows"], told["spaces"]) == (6, 6, ["perceptual"])
    assert set(parquet.read_table(told["file"]).column("track").to_pylist()) == set(ids)
    done = run("export", tmp_path, "--format", "parquet", "--segments")
    assert str(tmp_path / "tracks.parquet") in done.out
    assert parquet.read_table(tmp_path / "tracks.parquet").column_names[:3] == [
        *("track", "start", "end")
    ]


def test_parquet_without_its_package(
    run: Segue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = run("export", tmp_path / "a.parquet", "--format", "parquet", "--json")
    assert done.code == 5
    assert "segue[parquet]" in done.error["message"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("--space", "nothing"), 5, "perceptual"),
        (("--space", "lexical"), 2, "words"),
        (("--segments",), 2, "parquet"),
        (("--filter", "nonsense ="), 2, ""),
    ],
)
def test_export_refuses(
    run: Segue, tmp_path: Path, args: tuple[str, ...], code: int, words: str
) -> None:
    done = run("export", tmp_path / "out", *args)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert not (tmp_path / "out").exists()


def test_through_a_service(served: tuple[Music, Segue], tmp_path: Path) -> None:
    music, remote = served
    assert remote.json("export", tmp_path)["written"] == 6
    for number in range(6):
        values = np.random.default_rng(number).normal(size=(1, 16)).astype(np.float32)
        (tmp_path / "made").mkdir(exist_ok=True)
        np.save(tmp_path / "made" / f"{number:02d}.npy", values)
    arguments = ("index", music.folder, "--features", tmp_path / "made", "--space", "mine")
    report = remote.json(*arguments, "--workers", 1)
    assert (report["features"]["added"], report["failed"]) == (6, [])
    assert remote.json(*arguments, "--workers", 1)["features"]["unchanged"] == 6
    first = json.dumps(np.load(tmp_path / "made" / "00.npy")[0].tolist())
    best = remote.json("search", "--vector", first, "--space", "mine")["hits"][0]
    assert best["paths"] == [str(music.path(0))]
    assert best["score"] == pytest.approx(1.0, abs=1e-3)
    assert remote.json("export", tmp_path / "out", "--space", "mine")["written"] == 6


def test_features_of_a_person(tmp_path: Path) -> None:
    segue = Segue("--data", tmp_path / "data")
    folder = tmp_path / "vectors"
    folder.mkdir()
    for number, name in enumerate(("Blue Moon", "So What")):
        np.save(folder / f"{name}.npy", np.eye(4, dtype=np.float32)[number])
    (folder / "broken.npy").write_bytes(b"nothing")
    done = segue("index", "--features", folder, "--space", "mine")
    assert done.code == 3
    assert "broken.npy: not a NumPy array file" in done.err
    assert "2 added, 1 failed" in done.out
    assert "imported-" in done.out
    assert segue("search", "blue").rows[0][1] == "Blue Moon"
    assert segue("similar", "Blue Moon", "--space", "mine").rows[0][1] == "So What"
    refused = segue("search", "calm", "--space", "mine", "--json")
    assert (refused.code, refused.error["reason"]) == (5, "MODEL_MISSING")
    assert segue("index").code == 2
    assert segue("index", "--space", "mine", tmp_path).code == 2
    assert segue("index", "--features", folder).code == 2
    assert segue("index", "--features", tmp_path / "nothing").code == 2
    here = segue("index", "--features", folder, "--space", "mine", "--revision", "here")
    assert here.code == 5


def test_through_a_qdrant_server(run: Segue, ids: list[str], tmp_path: Path) -> None:
    run.json("export", tmp_path / "out")
    folder = tmp_path / "out" / "features"
    with contextlib.closing(Engine()) as engine:
        remote = Segue("--data", tmp_path, "--qdrant", f"http://127.0.0.1:{engine.port}")
        assert remote.json("index", "--features", folder)["features"]["added"] == 6
        assert remote.json("index", "--features", folder)["features"]["unchanged"] == 6
        assert remote.json("export", tmp_path / "back")["written"] == 6
    for path in folder.glob("*.npy"):
        assert (tmp_path / "back" / "features" / path.name).read_bytes() == path.read_bytes()
    assert {json.loads(x)["track"] for x in (folder / "tracks.jsonl").open()} == set(ids)
