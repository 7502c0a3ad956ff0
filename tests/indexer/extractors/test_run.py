"""Runs of extractors over folders: what is skipped, copied, made again, and what fails alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from indexer.extractors.run import ExtractOptions, extract
from retrieval.core.errors import InvalidInputError, PreconditionError, StoreError
from tests.cli.conftest import Segue
from tests.indexer.extractors.weights import write_crepe, write_openl3
from tests.signals import encode, noise, tone


def write_music(folder: Path) -> Path:
    (folder / "album").mkdir(parents=True)
    for number, name in enumerate(("a.wav", "album/b.wav", "album/c.flac")):
        sound = noise(0.5, seed=number)
        (folder / name).write_bytes(encode(sound, format=name.rpartition(".")[2]))
    return folder


@pytest.fixture
def music(tmp_path) -> Path:
    return write_music(tmp_path / "music")


@pytest.fixture(scope="session")
def crepe_weights(tmp_path_factory) -> Path:
    return write_crepe(tmp_path_factory.mktemp("weights") / "tiny.pth")


class Runs:
    """Repeated runs into one folder."""

    def __init__(self, music: Path, weights: Path) -> None:
        self.music, self.output = music, music.parent / "out"
        self.weights = {"crepe": weights}

    def __call__(self, *models: str, **more):
        options = ExtractOptions(
            models or ("crepe",), self.music.parent / "models", self.weights, device="cpu", **more
        )
        return extract([self.music], self.output, options)

    def counts(self, *models: str, **more) -> tuple[int, int, int, int]:
        (one,) = self(*models, **more).models
        return one.made, one.copied, one.cached, len(one.failed)

    def file(self, name: str) -> Path:
        return self.output / "embeddings" / "crepe" / f"{name}.npy"


@pytest.fixture
def runs(music, crepe_weights) -> Runs:
    return Runs(music, crepe_weights)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, crepe_weights) -> Path:
    """A folder in which one run has been, to copy: content tells what is done, and no path."""
    folder = tmp_path_factory.mktemp("finished")
    report = Runs(write_music(folder / "music"), crepe_weights)()
    assert report.clean
    return folder


@pytest.fixture
def done(finished, tmp_path, crepe_weights) -> Runs:
    """Runs of which the first is over."""
    shutil.copytree(finished, tmp_path / "done")
    return Runs(tmp_path / "done" / "music", crepe_weights)


def test_files_lie_as_the_sounds_do_and_are_made_once(runs) -> None:
    assert runs.counts() == (3, 0, 0, 0)
    for name in ("a", "album/b", "album/c"):
        frames = np.load(runs.file(name))
        assert frames.shape == (51, 2) and frames.dtype == np.float32
    before = runs.file("a").stat()
    assert runs.counts() == (0, 0, 3, 0)
    assert runs.file("a").stat().st_mtime_ns == before.st_mtime_ns


def test_content_decides_and_not_the_path(done) -> None:
    kept = done.file("a").read_bytes()
    path, times = done.music / "a.wav", (done.music / "a.wav").stat()
    path.write_bytes(encode(noise(0.5, seed=9), format="wav"))
    # Same name, same size, same time: other sound.
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    assert done.counts() == (1, 0, 2, 0)
    assert done.file("a").read_bytes() != kept


def test_a_renamed_or_retagged_file_costs_no_extraction(done) -> None:
    music = done.music
    kept = done.file("a").read_bytes()
    (music / "a.wav").rename(music / "z.wav")
    assert done.counts() == (0, 1, 2, 0)
    assert done.file("z").read_bytes() == kept
    # A chunk that says nothing of the sound.
    data = (music / "z.wav").read_bytes() + b"note\4\0\0\0abcd"
    size = (len(data) - 8).to_bytes(4, "little")
    (music / "z.wav").write_bytes(data[:4] + size + data[8:])
    assert done.counts() == (0, 1, 2, 0)
    assert done.counts() == (0, 0, 3, 0)


def test_other_weights_make_everything_again(done, tmp_path) -> None:
    done.weights = {"crepe": write_crepe(tmp_path / "other.pth", seed=5)}
    assert done.counts() == (3, 0, 0, 0)


def test_a_deleted_or_changed_output_is_not_taken_for_done(done) -> None:
    done.file("a").unlink()
    assert done.counts() == (1, 0, 2, 0)
    done.file("a").write_bytes(b"something else")
    (report,) = done().models
    assert [failure.reason for failure in report.failed] == ["FILE_EXISTS"]
    assert done.file("a").read_bytes() == b"something else"
    assert done.counts(overwrite=True) == (1, 0, 2, 0)


def test_names_that_are_alike_stay_apart(runs, music) -> None:
    (music / "a.flac").write_bytes(encode(tone(60, 0.5), format="flac"))
    assert runs.counts() == (4, 0, 0, 0)
    names = sorted(path.name for path in (runs.output / "embeddings" / "crepe").glob("*.npy"))
    assert len(names) == 2 and all(name.startswith("a~") for name in names)


def test_one_failure_never_stops_the_rest(runs, music) -> None:
    (music / "album" / "broken.flac").write_bytes(b"fLaC" + bytes(200))
    (music / "empty.wav").write_bytes(b"")
    (music / "gone.wav").symlink_to(music / "nothing")
    report = runs("crepe", "openl3", "btc")
    crepe, openl3, btc = report.models
    assert crepe.made == 3
    assert {Path(f.path).name: f.reason for f in crepe.failed} == {
        "broken.flac": "AUDIO_UNREADABLE",
        "empty.wav": "AUDIO_EMPTY",
    }
    assert [Path(f.path).name for f in report.failed] == ["gone.wav"]
    for model in (openl3, btc):
        assert model.unavailable is not None and model.unavailable[0] == "MODEL_MISSING"
    assert not report.clean


def test_a_model_that_was_added_sees_every_file(done, tmp_path) -> None:
    done.weights["openl3"] = write_openl3(tmp_path / "o.pth.tar")
    crepe, openl3 = done("crepe", "openl3").models
    assert (crepe.cached, openl3.made) == (3, 3)
    assert np.load(done.output / "embeddings" / "openl3" / "album" / "b.npy").shape == (1, 512)


def test_what_can_never_work(runs, tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="no extractor 'crep'"):
        runs("crep")
    with pytest.raises(PreconditionError, match="no weights there"):
        runs("openl3")
    runs.weights["what"] = tmp_path
    with pytest.raises(InvalidInputError, match="'what'"):
        runs()
    del runs.weights["what"]
    runs.music = tmp_path / "nothing"
    with pytest.raises(InvalidInputError, match="nothing at this path"):
        runs()


def test_two_runs_do_not_share_a_folder(runs) -> None:
    runs.output.mkdir()
    from indexer.extractors.record import RECORD
    from indexer.manifest import RunLock

    with RunLock(runs.output / RECORD), pytest.raises(StoreError, match="another"):
        runs()


def test_a_stopped_run_goes_on(runs, music) -> None:
    stop = threading.Event()
    options = ExtractOptions(["crepe"], music, runs.weights, device="cpu")
    first = extract(
        [music], runs.output, options, progress=lambda done, total: stop.set(), stop=stop
    )
    assert first.interrupted and first.models[0].made == 1
    assert runs.counts() == (2, 0, 1, 0)


def test_the_command(runs, music) -> None:
    segue = Segue("--data", music.parent / "data")
    arguments = ("extract", music, "--models", "crepe", "--output", runs.output)
    given = ("--weights", f"crepe={runs.weights['crepe']}")
    (model,) = segue.json(*arguments, *given)["models"]
    assert (model["model"], model["made"], model["licence"]) == ("crepe", 3, "MIT")
    again = segue(*arguments, *given)
    assert again.code == 0 and again.rows[0][:5] == ["crepe", "0", "0", "3", "0"]
    (music / "bad.wav").write_bytes(b"no")
    failed = segue(*arguments, *given)
    assert failed.code == 3 and "bad.wav" in failed.err
    assert segue("extract", music).code == 2
    assert segue(*arguments, "--weights", "crepe").code == 2
    listed = {row["model"]: row for row in segue.json("extract", "--list")["models"]}
    assert listed["madmom"]["non_commercial"] and not listed["crepe"]["non_commercial"]


@pytest.mark.slow
def test_ctrl_c_ends_in_good_order(runs, music) -> None:
    for number in range(40):
        (music / f"long{number}.wav").write_bytes(encode(noise(20.0, seed=number), format="wav"))
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "retrieval.cli", "--data", str(music.parent / "data")),
            *("extract", str(music), "--models", "crepe", "--output", str(runs.output), "--json"),
            *("--weights", f"crepe={runs.weights['crepe']}"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(runs.output.rglob("*.npy")):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    made = json.loads(out)["models"][0]["made"]
    assert 1 <= made < 43
    assert len(list(runs.output.rglob("*.npy"))) == made
