"""The query ``video`` on real libraries: exact, however weighed, and clear where it cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from retrieval.core.errors import BusyError, InvalidInputError, PreconditionError, VideoError
from retrieval.core.filters import Range
from retrieval.core.payload import STANDARD_FIELDS
from retrieval.core.queries import (
    MAX_CLIP_BYTES,
    Metric,
    Scaling,
    SearchRequest,
    SearchResponse,
    VideoQuery,
    WeightedQuery,
)
from retrieval.core.spaces import Statistics
from retrieval.core.tracks import TrackRecord
from retrieval.core.video import VIDEO_DIMS, Prediction, Source, VideoFeatures
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.encoders.registry import EncoderSet
from retrieval.search import LocalLibrary
from retrieval.store.edge import EdgeStore
from tests.video.clips import Shot, clip
from tests.video.shelf import ENCODER, WORDY, Shelf, fill

EXAMPLE = (-5.5244, -3.5814, -8.468, -0.1249, -1.5983, 20.798, 52.0154, 77.2815, 42.1747, -13.728)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    shelf = fill(tmp_path_factory.mktemp("shelf"), 1500)
    yield shelf
    shelf.library.close()


def nearest_are_those_of_brute_force(shelf: Shelf) -> None:
    """Every metric, scaling, subset, weighting and filter there is, against plain NumPy."""
    rng = np.random.default_rng(9)
    mean, std = shelf.values.mean(axis=0), shelf.values.std(axis=0)
    subsets = ((), ("VA",), ("brightness", "rhythm_speed", "warmth"))
    for metric, scaling, dims, weighted, filtered in product(
        Metric, Scaling, subsets, (False, True), (False, True)
    ):
        compared = np.array(
            [not dims or d in (dims if dims != ("VA",) else DIMS[8:]) for d in DIMS]
        )
        user = compared.astype(np.float64)
        weights = {}
        if weighted:
            user = compared * rng.uniform(0.1, 4.0, 10)
            weights = {d: float(w) for d, w, on in zip(DIMS, user, compared, strict=True) if on}
        raw = scaling is Scaling.RAW
        w = user if raw else user / std**2
        query = shelf.values[rng.integers(len(shelf.values))] + rng.normal(size=10) * std / 4
        query = query.astype(np.float32).astype(np.float64)
        if metric is Metric.EUCLIDEAN:
            distances = np.sqrt(np.square(shelf.values - query) @ w)
        else:
            rows, ray = (x if raw else x - mean for x in (shelf.values, query))
            lengths = np.sqrt(np.square(rows) @ w) * np.sqrt(np.square(ray) @ w)
            distances = 1.0 - rows @ (w * ray) / lengths
        if filtered:
            distances = np.where(shelf.duration >= 300.0, distances, np.inf)
        asked = VideoQuery(
            predicted=tuple(query), metric=metric, scaling=scaling, weights=weights, dims=dims
        )
        condition = Range("duration", gte=300.0) if filtered else None
        answer = shelf.ask(asked, filter=condition, limit=5)
        want = np.sort(distances)[:5]
        got = [hit.evidence[0].distance for hit in answer.hits]
        assert got == pytest.approx(want.tolist(), abs=1e-4), (metric, scaling, dims)
        found = [distances[int(hit.track.id[1:])] for hit in answer.hits]
        assert found == pytest.approx(want.tolist(), abs=1e-4)
        (told,) = answer.videos
        assert (told.query, told.source, told.features) == (0, "given", None)
        assert told.mean == pytest.approx(query.tolist())
        assert told.weights == tuple(compared.astype(float).tolist())


def test_answers_are_exact(shelf: Shelf) -> None:
    nearest_are_those_of_brute_force(shelf)


@pytest.mark.slow
def test_answers_are_exact_on_twenty_thousand_tracks(tmp_path: Path) -> None:
    shelf = fill(tmp_path, 20_000)
    shelf.library.optimize()
    nearest_are_those_of_brute_force(shelf)
    shelf.library.close()


def test_features_go_through_the_default_mapping(shelf: Shelf) -> None:
    known = dict.fromkeys(VIDEO_DIMS, Source.UNAVAILABLE) | {"color_weight": Source.GIVEN}

    def ask(weight: float) -> SearchResponse:
        values = tuple(weight if name == "color_weight" else 0.0 for name in VIDEO_DIMS)
        return shelf.ask(VideoQuery(features=VideoFeatures(values, tuple(known.values()), "")))

    bright, dark = ask(0.3), ask(0.8)
    place = DIMS.index("brightness")
    (light,), (heavy,) = bright.videos, dark.videos
    assert light.source == "default mapping"
    assert light.mean[place] > heavy.mean[place]
    assert {d for d, w in zip(DIMS, light.weights, strict=True) if w} == {"brightness", "valence"}
    means = [
        np.mean([shelf.values[int(hit.track.id[1:]), place] for hit in answer.hits])
        for answer in (bright, dark)
    ]
    assert means[0] > means[1] + 10.0


def test_a_clip_is_measured_and_answered(shelf: Shelf) -> None:
    data = clip([Shot(0.6, seed=1), Shot(0.6, seed=2, colour=(40, 40, 40))])
    (told,) = shelf.ask(VideoQuery(clip=data)).videos
    assert told.features is not None
    assert told.features.series is not None
    assert told.features.series.cuts == pytest.approx([0.6], abs=0.01)
    assert told.source == "default mapping"


def test_what_lies_far_outside_the_library_is_said(shelf: Shelf) -> None:
    typical = shelf.values.mean(axis=0)
    (told,) = shelf.ask(VideoQuery(tuple(typical))).videos
    assert told.outside == ()
    odd = typical.copy()
    odd[[5, 8]] += 4.0 * shelf.values.std(axis=0)[[5, 8]]
    (told,) = shelf.ask(VideoQuery(tuple(odd))).videos
    assert told.outside == ("brightness", "arousal")
    (told,) = shelf.ask(VideoQuery(tuple(odd), dims=("VA",))).videos
    assert told.outside == ("arousal",), "only what counts"


def refused(shelf: Shelf, query: VideoQuery, error: type[Exception], **more: object) -> str:
    with pytest.raises(error) as caught:
        shelf.ask(query, **more)
    assert "queries[0].video" in str(caught.value)
    return str(caught.value.reason)  # type: ignore[attr-defined]


def test_what_cannot_be_asked_is_refused(shelf: Shelf) -> None:
    unknown = VideoFeatures((0.0,) * 11, (Source.UNAVAILABLE,) * 11, "")
    one = replace(unknown, sources=(*unknown.sources[:-1], Source.GIVEN))
    bad = InvalidInputError
    assert refused(shelf, VideoQuery(), bad) == "INVALID_REQUEST"
    assert refused(shelf, VideoQuery(predicted=EXAMPLE, clip=b"x"), bad) == "INVALID_REQUEST"
    assert refused(shelf, VideoQuery(predicted=EXAMPLE[:9]), bad) == "INVALID_VECTOR"
    broken = (*EXAMPLE[:9], float("nan"))
    assert refused(shelf, VideoQuery(predicted=broken), bad) == "INVALID_VECTOR"
    assert refused(shelf, VideoQuery(predicted=EXAMPLE, dims=("x",)), bad) == "INVALID_REQUEST"
    assert refused(shelf, VideoQuery(clip=b""), VideoError) == "VIDEO_EMPTY"
    assert refused(shelf, VideoQuery(clip=b"no video"), VideoError) == "VIDEO_UNSUPPORTED"
    large = bytes(MAX_CLIP_BYTES + 1)
    assert refused(shelf, VideoQuery(clip=large), BusyError) == "TOO_LARGE"
    missing = PreconditionError
    with pytest.raises(PreconditionError, match="SEGUE_VIDEO_RECOMMENDER") as caught:
        shelf.ask(VideoQuery(features=unknown))
    assert caught.value.reason == "MODEL_MISSING"
    asked = VideoQuery(features=one, dims=("harmony",))
    assert refused(shelf, asked, missing) == "MODEL_MISSING"
    assert refused(shelf, VideoQuery(predicted=EXAMPLE), missing, spaces=("wordy",))


class Planted:
    """A recommender whose prediction is known."""

    video_set = "acme-1"

    def __init__(self, revision: str | None, prediction: Prediction) -> None:
        self.revision = revision
        self.prediction = prediction
        self.asked: list[VideoFeatures] = []

    def predict(self, features: VideoFeatures) -> Prediction:
        self.asked.append(features)
        return self.prediction


def planted(**changes: object) -> Prediction:
    given = Prediction(EXAMPLE, None, None, "music.safetensors", (1.0,) * 8 + (0.0, 0.0))
    return replace(given, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.0, 2.0])
def test_a_trained_recommender_is_asked_and_its_projection_too(shelf: Shelf, share: float) -> None:
    vector = np.array([1.0, 0.0, 0.0, 0.0], np.float32)
    shares = {"mean": 1.0, "wordy": share, "gone": 1.0}
    projection = {"wordy": vector, "gone": vector}
    revisions = {"wordy": "wordy-1", "gone": "g"}
    prediction = planted(shares=shares, projection=projection, revisions=revisions)
    recommender = Planted(ENCODER.space.revision, prediction)
    trained = shelf.with_recommender(recommender)
    given = VideoFeatures((1.0,) * 11, (Source.GIVEN,) * 11, "")
    answer = trained.ask(VideoQuery(features=given))
    assert recommender.asked[0].feature_set == "acme-1", "taken as of the recommender's set"
    spaces = {why.space for hit in answer.hits for why in hit.evidence}
    assert spaces == ({"perceptual", "wordy"} if share else {"perceptual"})
    assert answer.videos[0].source == "music.safetensors"
    assert answer.videos[0].weights == (1.0,) * 8 + (0.0, 0.0)
    only = trained.ask(VideoQuery(features=given), spaces=("perceptual",))
    assert {why.space for hit in only.hits for why in hit.evidence} == {"perceptual"}


def test_a_recommender_of_another_feature_set_is_refused(shelf: Shelf) -> None:
    trained = shelf.with_recommender(Planted("other-1", planted()))
    given = VideoFeatures((1.0,) * 11, (Source.GIVEN,) * 11, "acme-1")
    with pytest.raises(PreconditionError, match="other-1") as caught:
        trained.ask(VideoQuery(features=given))
    assert caught.value.reason == "FEATURE_SET_MISMATCH"


def test_a_library_without_the_dimensions_and_then_without_statistics(tmp_path: Path) -> None:
    library = LocalLibrary(EdgeStore(tmp_path), EncoderSet([ENCODER]))
    library.declare([WORDY], STANDARD_FIELDS)
    known = (Source.GIVEN, *(Source.UNAVAILABLE,) * 10)
    query = VideoQuery(features=VideoFeatures((50.0,) + (0.0,) * 10, known, ""))
    with pytest.raises(PreconditionError, match="perceptual") as caught:
        library.search(SearchRequest((WeightedQuery(query),)))
    assert caught.value.reason == "SPACE_UNAVAILABLE"
    library.declare([ENCODER.space])
    library.write([TrackRecord("t", {}, {"perceptual": np.zeros(10, np.float32)})])
    (told,) = library.search(SearchRequest((WeightedQuery(query),))).videos
    reference: Statistics = ENCODER.reference
    assert told.mean == pytest.approx(reference.mean), "the encoder's, until there are own ones"
    library.close()
