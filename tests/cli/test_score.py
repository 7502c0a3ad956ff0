"""``segue score``: from a clip to cues, here and through a service."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.learning.clips import read_clip
from retrieval.core.video import SIGNAL_DIMS, VIDEO_DIMS
from retrieval.encoders.perceptual import PerceptualEncoder
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.video.features import FEATURE_SET
from tests.cli.conftest import FEW, Segue
from tests.learning import random_models
from tests.video.clips import Shot, clip

TEN = "-1,2,0,-1,1.5,40,50,40,40,5"


@pytest.fixture(scope="module")
def trailer(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "trailer.mp4"
    path.write_bytes(clip([Shot(0.6, seed=1), Shot(0.6, seed=2, colour=(40, 40, 40))]))
    return path


def test_from_a_clip_to_cues(run, trailer: Path, tmp_path: Path) -> None:
    kept = tmp_path / "series.npz"
    answer = run.json("score", trailer, "--series", kept, "--no-fit")
    assert len(answer["hits"]) == 5
    distances = [hit["distance"] for hit in answer["hits"]]
    assert distances == sorted(distances)
    video = answer["video"]
    assert video["recommender"] == "default mapping"
    assert list(video["prediction"]) == list(DIMS)
    assert video["weights"]["melody_trend"] == 0.0
    sources = {name: one["source"] for name, one in video["features"].items()}
    assert list(sources) == list(VIDEO_DIMS)
    assert {name for name, source in sources.items() if source == "signal"} == set(SIGNAL_DIMS)
    assert all(
        video["features"][name]["value"] is None for name in set(VIDEO_DIMS) - set(SIGNAL_DIMS)
    )
    assert video["cuts"] == pytest.approx([0.6], abs=0.01)
    assert video["duration"] == pytest.approx(1.2, abs=0.01)
    read = read_clip(kept)
    assert read.series is not None
    assert read.series.values.shape == (2, 5)
    assert read.values is not None
    assert np.isnan(read.values).sum() == 6


def test_lines_for_pipes_and_the_label(run, trailer: Path) -> None:
    done = run("score", trailer, "-k", 2, "--segments", 1)
    assert done.code == 0, done.err
    assert len(done.rows) == 2
    distance, title, *_, track = done.rows[0]
    best = run.json("score", trailer, "-k", 1)["hits"][0]
    assert (float(distance), title, track) == (
        pytest.approx(best["distance"], abs=1e-4), best["title"], best["track"]
    )  # fmt: skip


def test_through_a_service_the_same(run, served, trailer: Path) -> None:
    for asked in (
        (trailer,),
        (trailer, "--dims", "VA", "--metric", "cosine"),
        ("--pred", TEN, "--scaling", "raw", "--weights", "warmth=2"),
        ("--features", '{"narrative_pace": 70}', "--filter", "bpm >= 110", "-k", 2),
    ):
        here, there = (one.json("score", *asked) for one in (run, served[1]))
        assert there["video"] == here["video"]
        found = [
            [(h["title"], h["distance"], h["cue"]) for h in one["hits"]] for one in (here, there)
        ]
        assert found[0] == found[1]


def test_what_is_stated_counts_and_nothing_else(run) -> None:
    video = run.json("score", "--features", '{"visual_valence": 60}')["video"]
    assert [dim for dim, weight in video["weights"].items() if weight] == ["valence"]
    eleven = ",".join(["50"] * 11)
    assert run.json("score", "--features", eleven)["video"]["features"]["scene_tension"] == {
        "value": 50.0, "source": "given"
    }  # fmt: skip
    done = run("score", "--features", '{"visual_valence": 60}', "--dims", "harmony", "--json")
    assert (done.code, done.error["reason"]) == (5, "MODEL_MISSING")
    assert "SEGUE_VIDEO_RECOMMENDER" in done.error["message"]


def test_bad_usage(run, trailer: Path, tmp_path: Path) -> None:
    assert run("score").code == 2
    assert run("score", trailer, "--pred", TEN).code == 2
    assert run("score", "--pred", TEN, "--series", tmp_path / "x.npz").code == 2
    assert run("score", "--features", '{"mood": 1}').code == 2
    sound = tmp_path / "sound.mp4"
    sound.write_bytes(b"RIFF")
    done = run("score", sound, "--json")
    assert (done.code, done.error["reason"]) == (2, "VIDEO_UNSUPPORTED")
    assert str(sound) in done.error["message"]


@pytest.mark.parametrize("revision", [PerceptualEncoder().space.revision, "acme-1"])
def test_a_trained_recommender(music, trailer: Path, tmp_path: Path, revision: str) -> None:
    card = random_models.card("mlp", video_set=FEATURE_SET, output_set=revision)
    path = random_models.write(tmp_path / "music.safetensors", card)
    setting = {"SEGUE_VIDEO_RECOMMENDER": str(path)}
    trained = Segue("--data", music.data, settings={**FEW, **setting})
    if revision == "acme-1":
        done = trained("score", trailer, "--json")
        assert (done.code, done.error["reason"]) == (5, "FEATURE_SET_MISMATCH")
        return
    video = trained.json("score", trailer)["video"]
    assert video["recommender"] == "music"
    assert video["feature_set"] == FEATURE_SET
    given = trained("score", "--features", ",".join(["50"] * 11), "--feature-set", "x", "--json")
    assert (given.code, given.error["reason"]) == (5, "FEATURE_SET_MISMATCH")


def test_a_missing_model_is_named(music, trailer: Path, tmp_path: Path) -> None:
    for setting in ("SEGUE_VIDEO_RECOMMENDER", "SEGUE_VIDEO_FEATURES"):
        gone = Segue("--data", music.data, settings={**FEW, setting: str(tmp_path / "gone")})
        done = gone("score", trailer, "--json")
        assert done.code == 5, done.err
        assert "gone" in done.error["message"]
