"""Training from a table to a file: what it learns, and that it can be stopped and repeated."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from indexer.learning.clip_reader import ClipReader  # noqa: E402
from indexer.learning.options import RESUME, TrainingOptions, TrainingReport  # noqa: E402
from indexer.learning.recommender import train_recommender  # noqa: E402
from indexer.learning.tables import Pairs, read_pairs  # noqa: E402
from indexer.learning.temporal import TemporalRecipe  # noqa: E402
from retrieval.core.errors import (  # noqa: E402
    CancelledError,
    InvalidInputError,
    PreconditionError,
)
from retrieval.video.recommender import load_recommender  # noqa: E402
from tests.learning.planted import REVISION, SPACE_NAME, Planted  # noqa: E402

SPACE = (SPACE_NAME, REVISION)
THERE, BACK = "video_to_track", "track_to_video"
SMALL = TrainingOptions(
    video_set="acme-1",
    output_set="acme-audio-1",
    trials=0,
    temporal=TemporalRecipe(width=32, layers=1, epochs=24, rate=3e-3, dropout=0.0),
)
QUICK = dataclasses.replace(SMALL, temporal=TemporalRecipe(width=8, layers=1, heads=2, epochs=3))


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingReport]:
    folder = tmp_path_factory.mktemp("trained")
    table = Planted(500).write(folder)
    return table, train_recommender(table, folder / "music.safetensors", SMALL, space=SPACE)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Planted(40).write(tmp_path_factory.mktemp("few"))


def read(table: Path, video_set: str, space: tuple[str, str] | None) -> Pairs:
    with ClipReader(table) as reader:
        return read_pairs(table, reader, video_set=video_set, revision="sound-1", space=space)


def figure(report: TrainingReport, name: str, figure: str, direction: str = THERE) -> float:
    return float(report.card.metrics["test"][name][direction][figure]["value"])


def test_seconds_tell_more_than_eleven_numbers(trained: tuple[Path, TrainingReport]) -> None:
    _, report = trained
    best = f"temporal, {report.card.metrics['chosen']['by']}"
    assert report.card.kind == "temporal"
    assert figure(report, best, "recall@3") >= 3 * figure(report, "mlp", "recall@3")
    assert figure(report, best, "recall@3", BACK) >= 1.5 * figure(report, "mlp", "recall@3", BACK)
    for name in ("mean vector", "popularity"):
        assert figure(report, "mlp", "recall@10") > 1.3 * figure(report, name, "recall@10")
        assert figure(report, "mlp", "median_rank") < 0.8 * figure(report, name, "median_rank")
    bare = figure(report, "temporal, dimensions alone", "median_rank")
    assert bare < 0.8 * figure(report, "mean vector", "median_rank")
    measured = report.card.metrics["test"][best][THERE]
    assert measured["recall@3"]["chance"] == pytest.approx(3 / measured["pool"])
    assert measured["recall@3"]["low"] < measured["recall@3"]["value"]
    assert measured["recall@3"]["value"] < measured["recall@3"]["high"]


def test_the_file_predicts_what_was_measured(trained: tuple[Path, TrainingReport]) -> None:
    table, report = trained
    recommender = load_recommender(report.path)
    assert (recommender.video_set, recommender.revision) == ("acme-1", "acme-audio-1")
    pairs = read(table, "acme-1", SPACE)
    found = []
    for clip, track in pairs.rows[:100]:
        predicted = recommender.predict(pairs.clips.features[clip])
        assert predicted.projection is not None
        assert pairs.music.embeddings is not None
        scores = pairs.music.embeddings[:100] @ predicted.projection[SPACE_NAME]
        found.append((scores > scores[track]).sum() < 3 if track < 100 else False)
    assert np.mean(found) > 0.5
    assert predicted.shares == report.card.shares
    assert predicted.revisions == {SPACE_NAME: REVISION}


def test_eleven_numbers_alone_are_enough_to_ask(trained: tuple[Path, TrainingReport]) -> None:
    table, report = trained
    recommender = load_recommender(report.path)
    pairs = read(table, "acme-1", SPACE)
    errors = []
    for clip, track in pairs.rows:
        bare = dataclasses.replace(pairs.clips.features[clip], series=None, frames=None)
        errors.append(np.asarray(recommender.predict(bare).mean) - pairs.music.sound[track])
    error = np.sqrt(np.mean(np.square(errors), axis=0))
    # Only arousal and valence are told by the picture's own.
    assert (error[-2:] < 0.95 * pairs.music.sound.std(axis=0)[-2:]).all()


def test_clips_of_another_set_are_refused(trained: tuple[Path, TrainingReport]) -> None:
    table, report = trained
    features = read(table, "other-1", SPACE).clips.features[0]
    with pytest.raises(PreconditionError, match=r"'other-1'.+'acme-1'") as caught:
        load_recommender(report.path).predict(features)
    assert caught.value.reason == "FEATURE_SET_MISMATCH"


def test_the_same_again_is_the_same_file(few: Path, tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        out = tmp_path / f"{name}.safetensors"
        train_recommender(few, out, QUICK, space=SPACE)
        made.append(out.read_bytes())
    assert made[0] == made[1]


def test_a_stopped_run_goes_on_to_the_same_file(few: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    options = dataclasses.replace(QUICK, trials=2, model="temporal")
    pytest.importorskip("optuna")
    seen: list[str] = []
    train_recommender(few, whole, options, space=SPACE, watch=lambda doing, *_: seen.append(doing))
    stages = list(dict.fromkeys(seen))
    assert stages == [
        *("reading clips", "tuning", "trial 1", "trial 2", "baseline"),
        *("temporal model", "baseline, again", "temporal model, again"),
    ]
    out = tmp_path / "stopped.safetensors"
    begun: list[list[str]] = []
    for stage in ("trial 2", "temporal model", "temporal model, again", "nothing"):
        stop = threading.Event()
        told: list[str] = []

        def watch(doing: str, done: int, total: int, at: str = stage) -> None:
            told.append(doing)  # noqa: B023 - called in this turn only
            if doing == at and done >= min(1, total - 1):
                stop.set()  # noqa: B023 - as above

        try:
            report = train_recommender(few, out, options, space=SPACE, watch=watch, stop=stop)
        except CancelledError as error:
            assert "goes on from here" in error.message
            assert not out.exists()
            assert out.with_name(out.name + RESUME).exists()
        begun.append(list(dict.fromkeys(told)))
    # What is done is not done again.
    assert begun == [
        ["reading clips", "tuning", "trial 1", "trial 2"],
        ["reading clips", "tuning", "trial 2", "baseline", "temporal model"],
        [
            *("reading clips", "tuning", "temporal model"),
            *("baseline, again", "temporal model, again"),
        ],
        ["reading clips", "tuning", "temporal model, again"],
    ]
    assert report.resumed
    assert out.read_bytes() == whole.read_bytes()
    assert not out.with_name(out.name + RESUME).exists()


def test_what_is_there_is_not_replaced_unasked(few: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    out.write_bytes(b"mine")
    with pytest.raises(InvalidInputError, match="--overwrite"):
        train_recommender(few, out, QUICK, space=SPACE)
    assert out.read_bytes() == b"mine"
    with pytest.raises(InvalidInputError, match="cannot be written"):
        train_recommender(few, tmp_path / "absent" / "model.safetensors", QUICK, space=SPACE)


def test_dimensions_alone_make_a_model_too(tmp_path: Path) -> None:
    table = Planted(60).write(tmp_path, clips=False, embeddings=False)
    report = train_recommender(table, tmp_path / "m.safetensors", QUICK)
    assert report.card.projection is None
    assert report.card.shares == {"mean": 1.0}
    features = read(table, "acme-1", None).clips.features[0]
    assert load_recommender(report.path).predict(features).projection is None


def test_the_baseline_can_be_asked_for(few: Path, tmp_path: Path) -> None:
    options = dataclasses.replace(QUICK, model="mlp")
    report = train_recommender(few, tmp_path / "m.safetensors", options, space=SPACE)
    assert report.card.kind == "mlp"
    assert report.card.emotions[0] == "calm and sad"
    assert [name for name in report.card.metrics["test"] if "temporal" in name] == []
