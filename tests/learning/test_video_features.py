"""Dimensions of clips: learned from labels, calibrated, and refused where they do not belong."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from indexer.learning import video_features  # noqa: E402
from indexer.learning.clip_reader import ClipReader  # noqa: E402
from indexer.learning.options import TrainingOptions  # noqa: E402
from indexer.learning.tables import read_clips  # noqa: E402
from indexer.learning.temporal import TemporalRecipe  # noqa: E402
from indexer.learning.video_features import train_video_features  # noqa: E402
from retrieval.core.errors import PreconditionError  # noqa: E402
from retrieval.core.video import VIDEO_DIMS, Source  # noqa: E402
from retrieval.video.features import FEATURE_SET  # noqa: E402
from retrieval.video.learned_features import load_feature_model  # noqa: E402
from retrieval.video.recommender import load_recommender  # noqa: E402

OPTIONS = TrainingOptions(
    output_set="acme-1",
    trials=0,
    temporal=TemporalRecipe(width=16, layers=1, epochs=30, batch=32, rate=3e-3),
)


def labelled(folder: Path, count: int = 160) -> Path:
    """Clips whose labels follow from their frames, their series or a measured value."""
    rng = np.random.default_rng(0)
    table = folder / "clips.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["video", "source", "clip", *VIDEO_DIMS[:4]])
        for n in range(count):
            mood = rng.normal(size=2)
            seconds = int(rng.integers(4, 9))
            frames = rng.normal(size=(seconds, 6)) + np.array([*mood, 0, 0, 0, 0])
            series = rng.normal(size=(seconds, 5)) * (1.0 + (n % 3))
            values = np.full(11, np.nan)
            values[5] = rng.normal() * 10
            labels = [50 + 20 * mood[0], -10 * mood[1], n % 3, 3 + 0.5 * values[5]]
            np.savez(
                folder / f"{n}.npz",
                frames=frames.astype("f4"),
                frame_model="eye-1",
                series=series.astype("f4"),
                values=values,
            )
            blank = n % 10 == 0
            writer.writerow([n, f"film{n // 2}", f"{n}.npz", *([""] * 4 if blank else labels)])
    return table


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return labelled(tmp_path_factory.mktemp("clips"))


def test_few_clips_are_learned_by_ridge(table: Path, tmp_path: Path) -> None:
    report = train_video_features(table, tmp_path / "eyes.safetensors", OPTIONS)
    card = report.card
    assert card.kind == "ridge"
    assert (card.video_set, card.output_set) == (FEATURE_SET, "acme-1")
    found = card.metrics["test"]["ridge"]
    for dim in VIDEO_DIMS[:4]:
        assert found[dim]["value"] > 0.5, dim
        assert found[dim]["low"] <= found[dim]["value"] <= found[dim]["high"]
    assert found["visual_valence"] is None
    clips = read_clips(table, ClipReader(table))
    model = load_feature_model(report.path)
    told = [model.complete(one) for one in clips.features]
    assert told[0].sources == (Source.MODEL,) * 4 + (Source.UNAVAILABLE,) * 7
    assert told[0].feature_set == "acme-1"
    values = np.array([one.values for one in told])
    there = np.isfinite(clips.labels[:, 0])
    for column in range(4):
        assert np.corrcoef(values[there, column], clips.labels[there, column])[0, 1] > 0.7
    with pytest.raises(PreconditionError, match="for video-features, not for recommender"):
        load_recommender(report.path)


def test_many_clips_are_learned_by_the_better_model(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_features, "ENOUGH", 100)
    few = dataclasses.replace(
        OPTIONS, temporal=TemporalRecipe(width=8, heads=1, layers=1, epochs=1)
    )
    report = train_video_features(table, tmp_path / "eyes.safetensors", few)
    assert set(report.card.metrics["validation"]) == {"ridge", "temporal"}
    assert report.card.kind == "ridge"


def test_a_temporal_model_can_be_asked_for(table: Path, tmp_path: Path) -> None:
    options = dataclasses.replace(OPTIONS, model="temporal")
    report = train_video_features(table, tmp_path / "eyes.safetensors", options)
    assert report.card.kind == "temporal"
    found = report.card.metrics["test"]["temporal"]
    assert found["character_tension"]["value"] > 0.2
    clips = read_clips(table, ClipReader(table))
    model = load_feature_model(report.path)
    values = [model.complete(one).values[0] for one in clips.features]
    there = np.isfinite(clips.labels[:, 0])
    assert np.corrcoef(np.array(values)[there], clips.labels[there, 0])[0, 1] > 0.7
