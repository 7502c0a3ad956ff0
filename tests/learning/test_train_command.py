"""``segue train`` as people run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

pytest.importorskip("torch")

from retrieval.cli.app import segue
from retrieval.core.video import VIDEO_DIMS, Source, VideoFeatures
from retrieval.encoders.perceptual import PerceptualEncoder
from retrieval.settings import Settings
from retrieval.store import open_store
from retrieval.video.recommender import load_recommender
from tests.learning.planted import REVISION, SPACE_NAME, Planted
from tests.search.catalogue import PERCEPTUAL, fill, make_records

SMALL = ("--width", "8", "--layers", "1", "--epochs", "2", "--trials", "0")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Planted(60).write(tmp_path_factory.mktemp("pairs"))


def train(table: Path, out: Path, *more: str) -> Result:
    space = f"{SPACE_NAME}={REVISION}"
    given = ["train", "recommender", str(table), "-o", str(out), "--video-set", "acme-1"]
    return CliRunner().invoke(segue, [*given, "--revision", "here", "--space", space, *more])


def test_figures_as_json_and_as_a_table(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "music.safetensors"
    done = train(table, out, *SMALL, "--json")
    assert done.exit_code == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["model"] == str(out)
    assert report["output_set"] == PerceptualEncoder().space.revision
    assert report["data"]["pairs"] == 60
    figures = report["test"]["mlp"]["video_to_track"]
    assert {"queries", "pool", "recall@1", "recall@3", "recall@10", "median_rank", "mrr"} < set(
        figures
    )
    assert set(figures["recall@3"]) == {"value", "low", "high", "chance"}
    assert load_recommender(out).revision == report["output_set"]
    refused = train(table, out, *SMALL)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr
    done = train(table, out, *SMALL, "--overwrite")
    names = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert names[:4] == ["popularity", "mean vector", "ridge", "mlp"]
    assert names[-1] == "chance"


def test_a_bad_table_is_one_error(table: Path, tmp_path: Path) -> None:
    bad = table.with_name("bad.csv")
    bad.write_text(table.read_text().replace("film0", "film0,", 1))
    done = train(bad, tmp_path / "m.safetensors", "--json")
    assert done.exit_code == 2
    error = json.loads(done.stderr)["error"]
    assert error["reason"] == "INVALID_METADATA"
    assert "bad.csv, line 2: 27 cells, the header has 26" in error["message"]
    assert list(tmp_path.iterdir()) == []


def test_options_that_do_not_fit(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    assert "multiple of 8" in train(table, out, "--width", "12").stderr
    given = ["train", "recommender", str(table), "-o", str(out), "--video-set", "a"]
    done = CliRunner().invoke(segue, [*given, "--revision", "b", "--space", "planted="])
    assert "NAME=REVISION" in done.stderr
    assert "--revision" in CliRunner().invoke(segue, given).stderr
    assert "no 'cuda:99' here" in train(table, out, "--device", "cuda:99").stderr


def test_the_library_knows_its_tracks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_ENCODERS", "perceptual,lexical")
    store = open_store(Settings(data_dir=tmp_path / "data"))
    records = make_records(40)
    fill(store, records).close()
    table, rng = tmp_path / "pairs.csv", np.random.default_rng(0)
    lines = [
        f"clip{n},{one.payload['title'] if n else one.id},"
        + ",".join(map(str, rng.normal(size=11)))
        for n, one in enumerate(records)
    ]
    table.write_text("\n".join([",".join(["video", "track", *VIDEO_DIMS]), *lines]))
    out = tmp_path / "music.safetensors"
    given = ["train", "recommender", str(table), "-o", str(out), "--video-set", "acme-1", *SMALL]
    done = CliRunner().invoke(
        segue,
        [
            "--data",
            str(tmp_path / "data"),
            *given,
            "--space",
            "hue",
            "--model",
            "temporal",
            "--json",
        ],
    )
    assert done.exit_code == 0, done.stderr
    recommender = load_recommender(out)
    assert recommender.revision == PERCEPTUAL.space.revision
    features = VideoFeatures((1.0,) * 11, (Source.GIVEN,) * 11, "acme-1")
    predicted = recommender.predict(features)
    assert predicted.revisions == {"hue": "hue-1"}
    known = np.array([one.vectors["perceptual"] for one in records])
    assert (np.abs(predicted.mean - known.mean(axis=0)) < 3 * known.std(axis=0)).all()
    again = ["--data", str(tmp_path / "data"), *given, "--overwrite"]
    done = CliRunner().invoke(segue, [*again, "--space", "tone"])
    assert done.exit_code == 5
    assert "no vectors of 'tone'; it has: hue, perceptual" in done.stderr
    table.write_text(table.read_text().replace(str(records[5].payload["title"]), "Nowhere"))
    done = CliRunner().invoke(segue, again)
    assert done.exit_code == 4
    assert "pairs.csv, line 7, column 'track': 'Nowhere'" in done.stderr


@pytest.mark.slow
def test_ctrl_c_stops_and_the_same_command_goes_on(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    command = [
        *(sys.executable, "-m", "retrieval.cli", "train", "recommender", str(table)),
        *("-o", str(out), "--video-set", "acme-1", "--revision", "here", "--trials", "0"),
        *("--space", f"{SPACE_NAME}={REVISION}", "--width", "32", "--epochs", "400", "--json"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    resume = out.with_name(out.name + ".resume")
    deadline = time.monotonic() + 60
    while not resume.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.0)
    first.send_signal(signal.SIGINT)
    _, told = first.communicate(timeout=60)
    assert first.returncode == 130, told
    assert "goes on from here" in told
    assert not out.exists()
    second = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["resumed"] is True
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
