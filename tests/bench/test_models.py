"""The sections on models run at tiny sizes, and compare equal things."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from retrieval.audio import open_audio
from retrieval.encoders.audio_pass import forward_tracks, prepare_track
from retrieval.encoders.clamp3 import Clamp3Encoder
from retrieval.encoders.clap import ClapEncoder
from tests.bench import busy, clamp3, clap, gpu, original_clamp3, original_clap, text
from tests.bench.clips import write_clips
from tests.bench.comparison import Subject, Workload
from tests.bench.measure import Table
from tests.bench.processes import spend
from tests.bench.random_weights import (
    TEXTS,
    Clamp3Size,
    ClapSize,
    write_clamp3,
    write_clap,
)

TINY_CLAMP3 = Clamp3Size(
    width=64, layers=2, vocabulary=400, convolutions=16, positions=16, groups=4
)
TINY_CLAP = ClapSize(
    patches=16,
    depths=(2, 2, 2, 2),
    heads=(1, 2, 4, 8),
    text_width=64,
    text_layers=2,
    vocabulary=500,
)
Encoder = Clamp3Encoder | ClapEncoder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("bench")
    write_clamp3(place / "clamp3", TINY_CLAMP3)
    write_clap(place / "clap", TINY_CLAP)
    return place


@pytest.fixture
def subjects(place: Path) -> tuple[Subject, Subject]:
    return (
        Subject("clamp3", "CLAMP3", clamp3.ORIGINAL, place / "clamp3"),
        Subject("clap", "CLAP", clap.ORIGINAL, place / "clap"),
    )


@pytest.fixture(params=["clamp3", "clap"])
def encoder(request: pytest.FixtureRequest, place: Path) -> Encoder:
    kind = Clamp3Encoder if request.param == "clamp3" else ClapEncoder
    return kind(place / request.param, device="cpu")


def far(ours: np.ndarray, theirs: np.ndarray) -> float:
    ours, theirs = (v.astype(np.float64) / np.linalg.norm(v) for v in (ours, theirs))
    return float(np.abs(ours - theirs).max())


def test_the_originals_give_our_sounds(encoder: Encoder, place: Path, tmp_path: Path) -> None:
    space = encoder.space.name
    music = write_clips(tmp_path / "music", 1, 22.0)
    out, rows, weights = tmp_path / "out", tmp_path / "rows", place / space
    out.mkdir()
    rows.mkdir()
    if space == "clap":
        laps = original_clap.embed(music, out, weights)
    else:
        laps = original_clamp3.make_rows(music, rows, weights)
        laps |= original_clamp3.make_vectors(rows, out, weights)
    assert min(laps.values()) >= 0
    with open_audio(music / "clip0.wav") as reader:
        track = prepare_track(reader, [encoder])
    (ours,) = forward_tracks([track], [encoder])
    theirs = np.load(out / "clip0.npy")
    assert theirs.shape == (1, encoder.space.dim)
    assert far(ours.vectors[space], theirs[0]) < 2e-5
    assert far(ours.vectors[space], theirs[0][::-1]) > 1e-2


@pytest.mark.parametrize("count", [126, 127, 300])
def test_the_originals_cut_long_sounds_as_we_do(count: int, place: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(count).standard_normal((1, count, TINY_CLAMP3.width))
    (tmp_path / "rows").mkdir()
    np.save(tmp_path / "rows" / "long.npy", rows.astype(np.float32))
    original_clamp3.make_vectors(tmp_path / "rows", tmp_path, place / "clamp3")
    encoder = Clamp3Encoder(place / "clamp3", device="cpu")
    ours = encoder.pool(rows[0].astype(np.float32), np.full(count, 5.0))
    assert far(ours, np.load(tmp_path / "long.npy")[0]) < 2e-5


def test_the_originals_give_our_texts(encoder: Encoder, place: Path, tmp_path: Path) -> None:
    original = original_clap if encoder.space.name == "clap" else original_clamp3
    (tmp_path / "features").mkdir()
    found = []
    for number, words in enumerate(TEXTS[:2]):
        out = tmp_path / f"{number}.npy"
        original.search(words, tmp_path / "features", out, place / encoder.space.name)
        (ours,) = encoder.forward_text([encoder.prepare_text(words)])
        found.append(ours)
        assert far(ours, np.load(out)[0]) < 2e-5
    assert far(found[0], found[1]) > 1e-3


def test_a_command_is_measured_with_all_it_starts() -> None:
    child = "import time\nwhile time.process_time() < 0.3: pass"
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"
    spent = spend(["-c", f"{parent}\nprint('done')"])
    assert spent.output == "done"
    assert 0.3 <= spent.cpu < 30
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        spend(["-c", "1 / 0"])


def test_without_a_gpu_the_section_says_so() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    (table,) = gpu.run()
    assert "no CUDA" in table.remarks[0]


def test_gpu(subjects: tuple[Subject, Subject]) -> None:
    (table,) = gpu.run(subjects=subjects, device="cpu", clips=1, seconds=6.0)
    assert [row[0] for row in table.rows] == ["CLAMP3", "CLAP"]
    assert all(float(row[1]) > 0 and float(row[2]) > 0 for row in table.rows)


def equal(table: Table) -> bool:
    return all(float(row[-2]) > 0.99999 and float(row[-1]) < 1e-3 for row in table.rows)


@pytest.mark.slow
def test_sounds(subjects: tuple[Subject, Subject]) -> None:
    workloads = (Workload(2, 6.0, 1), Workload(1, 6.0, 1))
    (table,) = clamp3.run(folder=subjects[0].weights, workloads=workloads)
    assert [row[0] for row in table.rows] == ["2 clips of 6 s", "1 clip of 6 s"]
    assert equal(table)
    (table,) = clap.run(folders={"tiny": subjects[1].weights}, workloads=workloads[:1])
    assert equal(table)


@pytest.mark.slow
def test_texts(subjects: tuple[Subject, Subject]) -> None:
    tables = text.run(subjects=subjects, rounds=1, queries=6)
    for table in tables:
        assert len(table.rows) == 5
        assert "cosine 1.0000000" in table.remarks[-1]


@pytest.mark.slow
def test_busy(subjects: tuple[Subject, Subject]) -> None:
    (table,) = busy.run(subjects=subjects, clips=3, seconds=6.0)
    assert [row[0] for row in table.rows] == ["CLAMP3", "CLAP"]
    assert all(row[4].endswith("%") for row in table.rows)
