"""Files of trained models: what is refused, and with what words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from retrieval.core.errors import PreconditionError
from retrieval.core.video import VIDEO_DIMS
from retrieval.video.learned_features import load_feature_model
from retrieval.video.model_card import KEY, Card
from retrieval.video.model_file import read_model
from retrieval.video.recommender import load_recommender
from tests.learning.random_models import FRAME_MODEL, REVISION, card, clip, tensors, write

KINDS = ("mlp", "temporal")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_is_read(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path / "tuesday.safetensors", card(kind))
    recommender = load_recommender(path)
    assert (recommender.video_set, recommender.revision) == ("acme-1", REVISION)
    predicted = recommender.predict(clip())
    assert predicted.source == "tuesday"
    assert np.isfinite(predicted.mean).all()
    assert len(predicted.mean) == 10
    if kind == "temporal":
        assert predicted.variance is not None
        assert min(predicted.variance) > 0
        assert predicted.projection is not None
        assert predicted.revisions == {"planted": "planted-1"}
        assert np.linalg.norm(predicted.projection["planted"]) == pytest.approx(1.0, abs=1e-5)


def changed(**changes: object) -> Callable[[Card], str]:
    return lambda one: json.dumps(json.loads(one.model_dump_json()) | changes)


SWAPPED = (VIDEO_DIMS[1], VIDEO_DIMS[0], *VIDEO_DIMS[2:])
CARDS: dict[str, tuple[Callable[[Card], str], str, str]] = {
    "another order": (changed(inputs=SWAPPED), "FEATURE_SET_MISMATCH", "in this order"),
    "other dimensions": (
        changed(inputs=["a"] * 11),
        "FEATURE_SET_MISMATCH",
        "its dimensions are a, a",
    ),
    "another format": (changed(format="segue-video-model-9"), "MODEL_INVALID", "format"),
    "another task": (
        lambda _: card("temporal", "video-features").model_dump_json(),
        "MODEL_INVALID",
        "this model is for video-features",
    ),
    "no JSON": (lambda _: "{", "MODEL_INVALID", "metadata"),
    "a scale of zero": (
        changed(scale_in={"mean": [0.0] * 11, "std": [0.0] * 11}),
        "MODEL_INVALID",
        "scale_in",
    ),
    "infinity": (
        lambda one: one.model_dump_json().replace("50.0", "1e999"),
        "MODEL_INVALID",
        "scale_in",
    ),
    "no weights": (changed(weights=[0.0] * 10), "MODEL_INVALID", "positive"),
    "a huge network": (
        changed(shape={"width": 4096, "layers": 16, "heads": 1, "frame_dim": 6, "series": True}),
        "MODEL_INVALID",
        "missing or do not belong",
    ),
    "what nobody knows": (changed(surprise=1), "MODEL_INVALID", "surprise"),
}


@pytest.mark.parametrize("case", CARDS)
def test_a_card_that_does_not_fit_is_refused(case: str, tmp_path: Path) -> None:
    change, reason, words = CARDS[case]
    one = card("temporal")
    path = tmp_path / "model.safetensors"
    save_file(tensors(one), path, {KEY: change(one)})
    with pytest.raises(PreconditionError, match=words) as caught:
        load_recommender(path)
    assert caught.value.reason == reason
    assert str(path) in caught.value.message


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    one = card("mlp")
    good = tensors(one)
    name = "main.inner.weight"
    for weights, words in (
        ({k: v for k, v in good.items() if k != name}, "missing"),
        (good | {"more": good[name]}, "do not belong"),
        (good | {name: good[name].T.copy()}, "of shape"),
        (good | {name: good[name].astype(np.float64)}, "must be float32"),
        (good | {name: np.full_like(good[name], np.nan)}, "not all finite"),
        (good | {name: np.full_like(good[name], np.inf)}, "not all finite"),
    ):
        path = write(tmp_path / "model.safetensors", one, weights)
        with pytest.raises(PreconditionError, match=words) as caught:
            load_recommender(path)
        assert caught.value.reason == "MODEL_INVALID"


def test_damage_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.safetensors", card("temporal")).read_bytes()
    path = tmp_path / "model.safetensors"
    for content in (b"", whole[:7], whole[:100], whole[:-1], whole + b"x", b"\x80\x04K*." * 40):
        path.write_bytes(content)
        with pytest.raises(PreconditionError) as caught:
            read_model(path, "recommender")
        assert caught.value.reason == "MODEL_INVALID"
    with pytest.raises(PreconditionError, match="no such file") as caught:
        read_model(tmp_path / "absent.safetensors", "recommender")
    assert caught.value.reason == "MODEL_MISSING"
    save_file(tensors(card("mlp")), path)
    with pytest.raises(PreconditionError, match="no model that segue train wrote"):
        read_model(path, "recommender")


@pytest.mark.parametrize("kind", KINDS)
def test_clips_of_another_set_are_refused(kind: str, tmp_path: Path) -> None:
    recommender = load_recommender(write(tmp_path / "m.safetensors", card(kind)))
    with pytest.raises(PreconditionError, match=r"'other-1'.*'acme-1'") as caught:
        recommender.predict(clip(video_set="other-1"))
    assert caught.value.reason == "FEATURE_SET_MISMATCH"


def test_frames_of_another_model_are_refused(tmp_path: Path) -> None:
    other = card("temporal", frame_revision="eye-2")
    recommender = load_recommender(write(tmp_path / "m.safetensors", other))
    with pytest.raises(PreconditionError, match=FRAME_MODEL) as caught:
        recommender.predict(clip())
    assert caught.value.reason == "FEATURE_SET_MISMATCH"


def test_what_is_not_known_has_no_say(tmp_path: Path) -> None:
    mlp = load_recommender(write(tmp_path / "mlp.safetensors", card("mlp")))
    temporal = load_recommender(write(tmp_path / "temporal.safetensors", card("temporal")))
    assert mlp.predict(clip(known=9)).weights == (1.0,) * 8 + (0.0,) * 2
    assert mlp.predict(clip(known=11)).weights == (1.0,) * 10
    # A multilayer perceptron does not look at seconds; a temporal model does with them alone.
    with pytest.raises(PreconditionError, match="nothing it looks at is known") as caught:
        mlp.predict(clip(known=0))
    assert caught.value.reason == "MODEL_MISSING"
    assert len(temporal.predict(clip(known=0)).mean) == 10
    assert len(temporal.predict(clip(seconds=0)).mean) == 10
    with pytest.raises(PreconditionError, match="nothing it looks at is known"):
        temporal.predict(clip(seconds=0, known=0))


def test_learned_features_replace_all_or_have_none(tmp_path: Path) -> None:
    weights = [1.0] * 10 + [0.0]
    one = card("ridge", "video-features", weights=weights, output_set="acme-1", video_set="seen-1")
    model = load_feature_model(write(tmp_path / "eyes.safetensors", one))
    measured = clip(known=5, video_set="seen-1")
    told = model.complete(measured)
    assert told.feature_set == "acme-1"
    assert [source.value for source in told.sources] == ["model"] * 10 + ["unavailable"]
    assert told.values[-1] == 0.0
    assert np.isfinite(told.values).all()
    assert told.series is measured.series
    with pytest.raises(PreconditionError, match="seen-1"):
        model.complete(told)
