"""Music for a picture: a prediction of perceptual dimensions, and the tracks nearest to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import (
    BusyError,
    InvalidInputError,
    PreconditionError,
    VideoError,
)
from retrieval.core.queries import MAX_CLIP_BYTES, MAX_CUES, Metric, Scaling, VideoQuery
from retrieval.core.spaces import (
    Distance,
    EmbeddingSpace,
    Level,
    Modality,
    Probe,
    Statistics,
    check_vector,
)
from retrieval.core.video import Prediction, VideoFeatures, VideoPrediction
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.search.faults import at_fault
from retrieval.search.queries.kind import Asked, QueryKind, Sources
from retrieval.search.weights import query_weights, statistics_of

GIVEN = "given"
_FAR = 3.0


class VideoKind(QueryKind[VideoQuery]):
    """A prediction, a clip's features, or a clip."""

    name = "video"

    def check(self, query: VideoQuery, where: str) -> None:
        """Reject what is not one of the three, a wrong length, no bytes and too many."""
        given = (query.predicted, query.features, query.clip)
        if sum(one is not None for one in given) != 1:
            raise InvalidInputError(
                f"{where}video: set one of predicted, features, clip",
                metadata={"field": f"{where}video"},
            )
        if query.predicted is not None and len(query.predicted) != len(DIMS):
            raise InvalidInputError(
                f"{where}video.predicted: {len(DIMS)} values ({', '.join(DIMS)}), "
                f"got {len(query.predicted)}",
                reason="INVALID_VECTOR",
                metadata={"field": f"{where}video.predicted"},
            )
        if not 0 <= query.cues <= MAX_CUES:
            raise InvalidInputError(
                f"{where}video.cues: 0 to {MAX_CUES}, got {query.cues}",
                metadata={"field": f"{where}video.cues"},
            )
        if query.clip is not None and not query.clip:
            raise VideoError(
                f"{where}video.clip: the file is empty",
                reason="VIDEO_EMPTY",
                metadata={"field": f"{where}video.clip"},
            )
        if query.clip is not None and len(query.clip) > MAX_CLIP_BYTES:
            raise BusyError(
                f"{where}video.clip: {len(query.clip)} bytes; at most {MAX_CLIP_BYTES} are read; "
                "send a smaller encoding of it, or its features",
                reason="TOO_LARGE",
                metadata={"limit": str(MAX_CLIP_BYTES)},
            )

    def takes(self, space: EmbeddingSpace) -> bool:
        """The perceptual dimensions, and text spaces that a recommender may project into."""
        return _perceptual(space) or (
            not space.sparse and Modality.TEXT in space.query_modalities and _whole(space)
        )

    def defaults(
        self, query: VideoQuery, spaces: Sequence[EmbeddingSpace], where: str
    ) -> Sequence[EmbeddingSpace]:
        """The perceptual dimensions."""
        found = [space for space in spaces if _perceptual(space)]
        if not found:
            raise PreconditionError(
                f"{where}spaces: this library has no space of the ten perceptual dimensions; index "
                "it with the encoder 'perceptual', or import a table of them",
                reason="SPACE_UNAVAILABLE",
                metadata={"spaces": ",".join(space.name for space in spaces)},
            )
        return found[:1]

    def probes(
        self, asked: Sequence[Asked[VideoQuery]], sources: Sources
    ) -> Iterable[tuple[Asked[VideoQuery], Probe]]:
        """A probe at the prediction, and one at each projection that the recommender counts."""
        for one in asked:
            felt = next(filter(_perceptual, (*one.spaces, *sources.info.spaces.values())), None)
            if felt is None:
                raise _nothing(one, "the library has no perceptual dimensions")
            features = _features(one, sources)
            prediction = _prediction(one, features, felt, sources)
            probe = _nearest(one, prediction, felt, sources) if felt in one.spaces else None
            counted = np.zeros(felt.dim)
            if probe is not None and probe.weights is not None:
                counted = np.where(probe.weights > 0, prediction.weights, 0.0)
                share = one.shares[felt.name] * prediction.shares.get("mean", 1.0)
                yield replace(one, shares={**one.shares, felt.name: share}), probe
            projected = list(_projected(one, prediction, felt, sources))
            yield from projected
            if probe is None and not projected:
                raise _nothing(one, "the recommender says nothing about the spaces asked")
            sources.videos[one.index] = VideoPrediction(
                query=one.index,
                source=prediction.source,
                mean=prediction.mean,
                weights=tuple(counted.tolist()),
                features=features,
                outside=_outside(prediction, counted, _statistics(felt, sources)),
            )


def _features(one: Asked[VideoQuery], sources: Sources) -> VideoFeatures | None:
    query, pictures = one.query, sources.pictures
    if query.clip is not None:
        where = f"{one.where}video.clip"
        return pictures.complete(pictures.look(query.clip, where, sources.budget))
    return None if query.features is None else pictures.complete(query.features)


def _prediction(
    one: Asked[VideoQuery], features: VideoFeatures | None, felt: EmbeddingSpace, sources: Sources
) -> Prediction:
    if features is None:
        return Prediction(tuple(one.query.predicted or ()), None, None, GIVEN)
    return sources.pictures.predict(features, felt, _statistics(felt, sources))


def _nearest(
    one: Asked[VideoQuery], prediction: Prediction, felt: EmbeddingSpace, sources: Sources
) -> Probe | None:
    """The probe at the prediction; None if the recommender counts other spaces alone."""
    if prediction.shares.get("mean", 1.0) <= 0.0:
        return None
    query, where = one.query, f"{one.where}video."
    with np.errstate(over="ignore"):
        vector = np.asarray(prediction.mean, dtype=np.float64).astype(np.float32)
    with at_fault(f"{where}predicted"):
        check_vector(felt, vector, where=f"{where}predicted")
    wanted = query_weights(felt, query, sources.info, sources.encoding, where=where)
    weights = np.asarray(prediction.weights) * (1.0 if wanted is None else wanted)
    if not weights.any():
        raise _nothing(one, "nothing is known of the dimensions to compare")
    if query.metric is Metric.EUCLIDEAN:
        return Probe(felt.name, vector, weights)
    standard = query.scaling is Scaling.STANDARDISED
    about = np.asarray(_statistics(felt, sources).mean) if standard else np.zeros(felt.dim)
    return Probe(felt.name, vector, weights, about)


def _projected(
    one: Asked[VideoQuery], prediction: Prediction, felt: EmbeddingSpace, sources: Sources
) -> Iterable[tuple[Asked[VideoQuery], Probe]]:
    for name, vector in (prediction.projection or {}).items():
        space, share = sources.info.spaces.get(name), prediction.shares.get(name, 0.0)
        if space is None or share <= 0.0 or prediction.revisions.get(name) != space.revision:
            continue
        if one.named and space not in one.spaces:
            continue
        check_vector(space, vector, where=f"{one.where}video.projection")
        share *= one.shares.get(name, one.shares.get(felt.name, 1.0))
        yield replace(one, shares={**one.shares, name: share}), Probe(name, vector)


def _outside(
    prediction: Prediction, counted: NDArray[np.float64], statistics: Statistics
) -> tuple[str, ...]:
    apart = np.abs(np.asarray(prediction.mean) - statistics.mean) / statistics.std
    return tuple(
        name for name, far in zip(DIMS, (counted > 0) & (apart > _FAR), strict=True) if far
    )


def _statistics(felt: EmbeddingSpace, sources: Sources) -> Statistics:
    """The library's, or the encoder's, or what the anchor says of the space."""
    known = statistics_of(felt, sources.info, sources.encoding)
    if known is not None or felt.anchor is None:
        return known or Statistics((0.0,) * felt.dim, (1.0,) * felt.dim, 0)
    return Statistics(felt.anchor.centre, felt.anchor.scale, 0)


def _nothing(one: Asked[VideoQuery], problem: str) -> PreconditionError:
    return PreconditionError(
        f"{one.where}video: {problem}; name a trained recommender in SEGUE_VIDEO_RECOMMENDER "
        "(segue train recommender), and a model of the missing dimensions in "
        "SEGUE_VIDEO_FEATURES (segue train video-features)",
        reason="MODEL_MISSING",
        metadata={"settings": "SEGUE_VIDEO_RECOMMENDER,SEGUE_VIDEO_FEATURES"},
    )


def _perceptual(space: EmbeddingSpace) -> bool:
    weighted = space.distance is Distance.WEIGHTED_EUCLIDEAN
    return weighted and space.dims == DIMS and _whole(space)


def _whole(space: EmbeddingSpace) -> bool:
    return Level.TRACK in space.levels
