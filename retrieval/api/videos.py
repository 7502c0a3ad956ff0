"""Queries for a picture, and what became of them."""

from __future__ import annotations

import numpy as np

from retrieval.api.checks import all_finite, finite, invalid, join, kind_of
from retrieval.api.scoring import (
    decode_metric,
    decode_scaling,
    decode_weights,
    encode_metric,
    encode_scaling,
)
from retrieval.api.v1 import search_pb2 as pb
from retrieval.api.v1 import video_pb2
from retrieval.core.queries import DEFAULT_CUES, MAX_CUES, VideoQuery
from retrieval.core.video import (
    VIDEO_DIMS,
    Source,
    VideoFeatures,
    VideoPrediction,
    VideoSeries,
)

MAX_SECONDS = 6 * 3600
"""Rows of a series."""
MAX_CUTS = 100_000

_SOURCES: dict[video_pb2.VideoSource, Source] = {
    video_pb2.VIDEO_SOURCE_SIGNAL: Source.SIGNAL,
    video_pb2.VIDEO_SOURCE_MODEL: Source.MODEL,
    video_pb2.VIDEO_SOURCE_GIVEN: Source.GIVEN,
    video_pb2.VIDEO_SOURCE_UNAVAILABLE: Source.UNAVAILABLE,
}
_NUMBERS = {source: number for number, source in _SOURCES.items()}
_COLUMNS = ("motion", "energy", "lightness", "temperature", "cut_counts")


def encode_video_query(query: VideoQuery, message: pb.VideoQuery, where: str) -> None:
    """Write a query into an empty message.

    Raises:
        InvalidInputError: If a part of it cannot travel unchanged.
    """
    if query.clip is not None:
        message.clip = query.clip
    elif query.features is not None:
        encode_features(query.features, message.features)
    elif query.predicted is not None:
        message.predicted.SetInParent()
        message.predicted.values.extend(query.predicted)
    message.metric = encode_metric(query.metric)
    message.scaling = encode_scaling(query.scaling)
    message.weights.update(query.weights)
    message.dims.extend(query.dims)
    if not 0 <= query.cues <= MAX_CUES:
        raise invalid(join(where, "cues"), f"must be 0 to {MAX_CUES}, got {query.cues}")
    message.cues = query.cues


def decode_video_query(message: pb.VideoQuery, where: str) -> VideoQuery:
    """A query from the wire.

    Raises:
        InvalidInputError: If it has no kind, or any part of it is malformed.
    """
    kind = kind_of(message, "of", where)
    here = join(where, kind)
    return VideoQuery(
        predicted=all_finite(message.predicted.values, join(here, "values"))
        if kind == "predicted"
        else None,
        features=decode_features(message.features, here) if kind == "features" else None,
        clip=message.clip if kind == "clip" else None,
        metric=decode_metric(message.metric, join(where, "metric")),
        scaling=decode_scaling(message.scaling, join(where, "scaling")),
        weights=decode_weights(message.weights, join(where, "weights")),
        dims=tuple(message.dims),
        cues=message.cues if message.HasField("cues") else DEFAULT_CUES,
    )


def encode_features(features: VideoFeatures, message: video_pb2.VideoFeatures) -> None:
    """Write a clip's features into an empty message."""
    message.values.extend(features.values)
    message.sources.extend(_NUMBERS[source] for source in features.sources)
    message.feature_set = features.feature_set
    message.partial = features.partial
    if features.duration is not None:
        message.duration_seconds = features.duration
    if features.series is not None:
        for name, column in zip(_COLUMNS, features.series.values.T, strict=True):
            getattr(message.series, name).extend(column.tolist())
        message.series.cuts.extend(features.series.cuts.tolist())


def decode_features(message: video_pb2.VideoFeatures, where: str) -> VideoFeatures:
    """A clip's features from the wire.

    Raises:
        InvalidInputError: If there are not eleven values, or any part of it is malformed.
    """
    given = [_SOURCES.get(number) for number in message.sources]
    sources = given or [Source.GIVEN] * len(VIDEO_DIMS)
    if len(message.values) != len(VIDEO_DIMS) or len(sources) != len(VIDEO_DIMS):
        raise invalid(
            join(where, "values"),
            f"{len(VIDEO_DIMS)} values and as many sources or none, got {len(message.values)} and "
            f"{len(given)}",
            "INVALID_VECTOR",
        )
    known = [source for source in sources if source is not None]
    if len(known) != len(sources):
        raise invalid(join(where, "sources"), f"must each be one of {sorted(_SOURCES)}")
    duration = None
    if message.HasField("duration_seconds"):
        duration = finite(message.duration_seconds, join(where, "duration_seconds"))
    return VideoFeatures(
        values=all_finite(message.values, join(where, "values")),
        sources=tuple(known),
        feature_set=message.feature_set,
        series=_decode_series(message.series, join(where, "series")),
        duration=duration,
        partial=message.partial,
    )


def _decode_series(message: video_pb2.VideoSeries, where: str) -> VideoSeries | None:
    columns = [all_finite(getattr(message, name), join(where, name)) for name in _COLUMNS]
    length = len(columns[0])
    if any(len(column) != length for column in columns) or length > MAX_SECONDS:
        raise invalid(where, f"its lists must be of one length, at most {MAX_SECONDS}")
    cuts = all_finite(message.cuts, join(where, "cuts"))
    rising = all(one < next_ for one, next_ in zip((-1.0, *cuts), cuts, strict=False))
    if not rising or len(cuts) > MAX_CUTS:
        raise invalid(join(where, "cuts"), f"at most {MAX_CUTS}, increasing from 0 s on")
    if not length:
        return None
    with np.errstate(over="ignore"):
        values = np.asarray(columns, dtype=np.float64).T.astype(np.float32)
    return VideoSeries(np.ascontiguousarray(values), np.asarray(cuts, dtype=np.float64))


def encode_prediction(prediction: VideoPrediction) -> video_pb2.VideoPrediction:
    """What became of a query, for the wire."""
    message = video_pb2.VideoPrediction(
        query=prediction.query,
        source=prediction.source,
        mean=prediction.mean,
        weights=prediction.weights,
        outside=prediction.outside,
    )
    if prediction.features is not None:
        encode_features(prediction.features, message.features)
    return message


def decode_prediction(message: video_pb2.VideoPrediction, where: str) -> VideoPrediction:
    """What became of a query, from the wire.

    Raises:
        InvalidInputError: If any part of it is malformed.
    """
    features = None
    if message.HasField("features"):
        features = decode_features(message.features, join(where, "features"))
    return VideoPrediction(
        query=message.query,
        source=message.source,
        mean=all_finite(message.mean, join(where, "mean")),
        weights=all_finite(message.weights, join(where, "weights")),
        features=features,
        outside=tuple(message.outside),
    )
