"""Music for a picture over the wire: the same answers as in process, and bounded uploads."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.api import videos
from retrieval.api.v1 import search_pb2, search_pb2_grpc, video_pb2
from retrieval.client import Client
from retrieval.core.errors import InvalidInputError, SegueError, VideoError
from retrieval.core.filters import Range
from retrieval.core.queries import (
    MAX_CUES,
    Metric,
    Scaling,
    SearchRequest,
    VideoQuery,
    WeightedQuery,
)
from retrieval.core.video import VIDEO_DIMS, Source, VideoFeatures, VideoPrediction, VideoSeries
from retrieval.search import LocalLibrary
from tests.service.running import Running
from tests.video.clips import Shot, clip

VALUES = (1.0, 2.0, 3.0, 0.5, 1.0, 60.0, 50.0, 40.0, 30.0, -20.0)
numbers = st.floats(-1e9, 1e9)
counts = st.integers(1, 5)


@st.composite
def features(draw: st.DrawFn) -> VideoFeatures:
    seconds = draw(st.integers(0, 4))
    shape = st.lists(st.floats(-1e6, 1e6, width=32), min_size=5 * seconds, max_size=5 * seconds)
    columns = np.array(draw(shape), dtype=np.float32).reshape(seconds, 5)
    times = draw(st.lists(st.floats(0, 1e4), max_size=4, unique=True)) if seconds else []
    series = VideoSeries(columns, np.array(sorted(times))) if seconds else None
    return VideoFeatures(
        values=tuple(draw(st.lists(numbers, min_size=11, max_size=11))),
        sources=tuple(draw(st.lists(st.sampled_from(Source), min_size=11, max_size=11))),
        feature_set=draw(st.text(max_size=20)),
        series=series,
        duration=draw(st.none() | st.floats(0, 1e5)),
        partial=draw(st.booleans()),
    )


weights = st.dictionaries(st.text(max_size=8), numbers, max_size=3)
queries = st.builds(
    VideoQuery,
    st.lists(numbers, max_size=12).map(tuple),
    metric=st.sampled_from(Metric),
    scaling=st.sampled_from(Scaling),
    weights=weights,
    dims=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    cues=st.integers(0, MAX_CUES),
)
predictions = st.builds(
    VideoPrediction,
    counts,
    st.text(max_size=20),
    st.lists(numbers, max_size=10).map(tuple),
    st.lists(numbers, max_size=10).map(tuple),
    st.none() | features(),
    st.lists(st.text(max_size=8), max_size=3).map(tuple),
)


def plain(value: object) -> object:
    """The value with arrays as bytes, to compare by."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if dataclasses.is_dataclass(value):
        return [plain(getattr(value, field.name)) for field in dataclasses.fields(value)]
    return value


def trip(query: VideoQuery) -> VideoQuery:
    message = search_pb2.VideoQuery()
    videos.encode_video_query(query, message, "video")
    return videos.decode_video_query(type(message).FromString(message.SerializeToString()), "v")


@given(queries, st.none() | features(), st.none() | st.binary(max_size=9))
def test_queries_round_trip(query: VideoQuery, known: VideoFeatures | None, data: bytes) -> None:
    if data is not None or known is not None:
        query = dataclasses.replace(
            query, predicted=None, features=None if data is not None else known, clip=data
        )
    assert plain(trip(query)) == plain(query)


@given(predictions)
def test_predictions_round_trip(prediction: VideoPrediction) -> None:
    wire = videos.encode_prediction(prediction).SerializeToString()
    found = videos.decode_prediction(video_pb2.VideoPrediction.FromString(wire), "videos")
    assert plain(found) == plain(prediction)


SERIES = {name: [1.0] for name in ("motion", "energy", "lightness", "temperature", "cut_counts")}
NAN = float("nan")


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "v"),
        ({"predicted": {"values": [NAN]}}, "v.predicted.values[0]"),
        ({"features": {"values": [0.0] * 10}}, "v.features.values"),
        ({"features": {"values": [0.0] * 10 + [NAN]}}, "v.features.values[10]"),
        ({"features": {"values": [0.0] * 11, "sources": [1]}}, "v.features.values"),
        ({"features": {"values": [0.0] * 11, "sources": [0] * 11}}, "v.features.sources"),
        ({"features": {"values": [0.0] * 11, "duration_seconds": NAN}}, "duration_seconds"),
        (
            {"features": {"values": [0.0] * 11, "series": {**SERIES, "motion": []}}},
            "v.features.series",
        ),
        (
            {"features": {"values": [0.0] * 11, "series": {**SERIES, "cuts": [2.0, 1.0]}}},
            "v.features.series.cuts",
        ),
        ({"clip": b"x", "weights": {"warmth": NAN}}, "v.weights['warmth']"),
        ({"clip": b"x", "metric": 7}, "v.metric"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(message: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        videos.decode_video_query(search_pb2.VideoQuery(**message), "v")
    assert field in caught.value.metadata["field"]


def test_all_are_given_unless_it_says_otherwise() -> None:
    message = video_pb2.VideoFeatures(values=[1.0] * len(VIDEO_DIMS))
    assert set(videos.decode_features(message, "f").sources) == {Source.GIVEN}


def ask(query: VideoQuery, **more: object) -> SearchRequest:
    return SearchRequest((WeightedQuery(query),), **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def data() -> bytes:
    return clip([Shot(0.6, seed=1), Shot(0.6, seed=2, colour=(40, 40, 40))])


def padded(data: bytes, size: int) -> bytes:
    """The same MP4 with a box of nothing at its end."""
    return data + size.to_bytes(4, "big") + b"free" + bytes(size - 8)


KNOWN = VideoFeatures(
    (50.0,) * 11, (Source.GIVEN,) * 6 + (Source.UNAVAILABLE,) * 5, "segue-picture-2"
)
ASKED = {
    "predicted": VideoQuery(VALUES),
    "cosine": VideoQuery(VALUES, metric=Metric.COSINE),
    "raw subset": VideoQuery(VALUES, scaling=Scaling.RAW, dims=("VA",), weights={"arousal": 2.0}),
    "features": VideoQuery(features=KNOWN),
    "not eleven": VideoQuery(VALUES[:4]),
    "no dimension": VideoQuery(VALUES, dims=("nope",)),
    "nothing known": VideoQuery(features=KNOWN, dims=("melody_trend",)),
    "no video": VideoQuery(clip=b"this is no clip"),
    "empty": VideoQuery(clip=b""),
}


@pytest.mark.parametrize("name", ASKED)
def test_parity(client: Client, local: LocalLibrary, name: str) -> None:
    request = ask(ASKED[name], filter=Range("bpm", gte=70.0))
    outcomes = []
    for library in (local, client):
        try:
            answer = library.search(request)
            outcomes.append((answer.hits, answer.more, [plain(one) for one in answer.videos]))
        except SegueError as error:
            outcomes.append((type(error), error.reason, error.message, error.metadata))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("size", [0, 6 * 1024 * 1024])
def test_a_clip_is_uploaded_and_measured_there(
    client: Client, local: LocalLibrary, data: bytes, size: int
) -> None:
    sent = padded(data, size) if size else data
    (there,) = client.search(ask(VideoQuery(clip=sent))).videos
    (here,) = local.search(ask(VideoQuery(clip=data))).videos
    assert plain(there) == plain(here)
    assert there.features is not None
    assert there.features.series is not None
    assert there.features.series.cuts == pytest.approx([0.6], abs=0.01)


def test_what_is_uploaded_is_bounded(client: Client, data: bytes) -> None:
    with pytest.raises(SegueError) as caught:
        client.search(ask(VideoQuery(clip=padded(data, 70 * 1024 * 1024))))
    assert caught.value.reason == "TOO_LARGE"
    with pytest.raises(VideoError, match="video"):
        client.search(ask(VideoQuery(clip=data[:100])))


def test_five_hits_unless_more_are_asked_for(running: Running) -> None:
    with grpc.insecure_channel(running.address) as channel:
        stub = search_pb2_grpc.SearchServiceStub(channel)
        video = {"video": {"predicted": {"values": VALUES}}}
        for queries_, wanted in (
            ([video], 5),
            ([video, {"vector": {"values": VALUES, "space": "perceptual"}}], 10),
        ):
            answer = stub.Search(search_pb2.SearchRequest(queries=queries_), timeout=30)
            assert len(answer.hits) == wanted
        more = stub.Search(search_pb2.SearchRequest(queries=[video], page_size=7), timeout=30)
        assert len(more.hits) == 7
        assert more.videos[0].source == "given"
        assert all(why.HasField("distance") for hit in more.hits for why in hit.evidence)


def test_no_path_of_a_client_is_opened(client: Client, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(data)
    with pytest.raises(VideoError) as caught:
        client.search(ask(VideoQuery(clip=str(tmp_path / "clip.mp4").encode())))
    assert caught.value.reason == "VIDEO_UNSUPPORTED"
