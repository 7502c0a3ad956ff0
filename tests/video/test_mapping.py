"""The default mapping: monotone, in the library's own range, silent about what nobody knows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.core.errors import PreconditionError
from retrieval.core.spaces import Statistics
from retrieval.core.video import SIGNAL_DIMS, VIDEO_DIMS, Prediction, Source, VideoFeatures
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.video.mapping import CAUSES, NAME, POSITIONS, DefaultMapping

STATISTICS = Statistics(
    mean=tuple(float(n) for n in range(10)), std=tuple(1.0 + n for n in range(10)), count=100
)
MAPPING = DefaultMapping(DIMS, STATISTICS)
SIGNALS = {
    "narrative_pace": 50.0,
    "action_energy": 50.0,
    "color_weight": 0.55,
    "color_temperature": 0.0,
    "motion_amplitude": 0.125,
}
RANGES = {
    "color_weight": (0.0, 1.0),
    "color_temperature": (-1.0, 1.0),
    "motion_amplitude": (0.0, 3.0),
    "figure_affinity": (-100.0, 100.0),
    "visual_valence": (-100.0, 100.0),
}


def features(known: dict[str, float]) -> VideoFeatures:
    return VideoFeatures(
        values=tuple(known.get(name, 0.0) for name in VIDEO_DIMS),
        sources=tuple(Source.GIVEN if name in known else Source.UNAVAILABLE for name in VIDEO_DIMS),
        feature_set="any",
    )


def predicted(known: dict[str, float]) -> dict[str, float]:
    prediction = MAPPING.predict(features(known))
    return dict(zip(DIMS, prediction.mean, strict=True))


def test_it_names_every_dimension_and_no_other() -> None:
    assert set(CAUSES) == set(DIMS)
    assert set(POSITIONS) == set(VIDEO_DIMS)
    assert {name for causes in CAUSES.values() for name in causes} == set(VIDEO_DIMS)


@pytest.mark.parametrize(
    ("cause", "effect", "sign"),
    [
        ("narrative_pace", "rhythm_speed", 1),
        ("narrative_pace", "variation", 1),
        ("color_weight", "brightness", -1),
        ("color_weight", "valence", -1),
        ("color_temperature", "warmth", 1),
        ("motion_amplitude", "arousal", 1),
        ("action_energy", "arousal", 1),
        ("action_energy", "rhythm", 1),
        ("visual_valence", "valence", 1),
        ("scene_tension", "harmony", -1),
    ],
)
def test_what_it_is_documented_to_do(cause: str, effect: str, sign: int) -> None:
    low, high = RANGES.get(cause, (0.0, 100.0))
    values = [
        sign * predicted(SIGNALS | {cause: float(value)})[effect]
        for value in np.linspace(low, high, 21)
    ]
    assert values == sorted(values)
    spread = STATISTICS.std[DIMS.index(effect)]
    assert values[-1] - values[0] > 0.3 * spread


@given(
    known=st.dictionaries(st.sampled_from(VIDEO_DIMS), st.floats(-1e6, 1e6), min_size=1),
    cause=st.sampled_from(VIDEO_DIMS),
    values=st.tuples(st.floats(-200, 200), st.floats(-200, 200)).map(sorted),
)
def test_every_path_is_monotone_and_within_the_library(
    known: dict[str, float], cause: str, values: list[float]
) -> None:
    low, high = (MAPPING.predict(features(known | {cause: value})) for value in values)
    for place, dim in enumerate(DIMS):
        direction = np.sign(CAUSES[dim].get(cause, 0.0))
        change = high.mean[place] - low.mean[place]
        assert direction * change >= -1e-9
        if direction == 0:
            assert change == 0.0
        z = (np.array([low.mean[place], high.mean[place]]) - place) / STATISTICS.std[place]
        assert np.abs(z).max() < 2.1
    assert low.weights == high.weights


def test_the_middle_of_a_picture_is_the_middle_of_the_library() -> None:
    prediction = MAPPING.predict(features(SIGNALS))
    assert prediction.mean == pytest.approx(STATISTICS.mean, abs=0.3)
    assert prediction.source == NAME == "default mapping"
    assert prediction.variance is None
    assert prediction.projection is None


def test_what_nothing_speaks_of_has_no_weight() -> None:
    weights = dict(zip(DIMS, MAPPING.predict(features(SIGNALS)).weights, strict=True))
    assert weights["melody_trend"] == weights["harmony"] == 0.0
    assert weights["rhythm_speed"] == weights["brightness"] == 1.0
    assert 0.0 < weights["valence"] < weights["arousal"] < 1.0
    alone = MAPPING.predict(features({"visual_valence": 50.0}))
    assert [dim for dim, w in zip(DIMS, alone.weights, strict=True) if w] == ["valence"]


def test_without_anything_known_it_names_what_is_missing() -> None:
    with pytest.raises(PreconditionError, match="SEGUE_VIDEO_RECOMMENDER") as caught:
        MAPPING.predict(features({}))
    assert caught.value.reason == "MODEL_MISSING"


def test_it_is_no_dice() -> None:
    one, other = (MAPPING.predict(features(SIGNALS | {"color_weight": 0.3})) for _ in range(2))
    assert isinstance(one, Prediction)
    assert one.mean == other.mean
    assert set(SIGNALS) == set(SIGNAL_DIMS)
