"""Requests and answers of a library, the same in process and over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from retrieval.core.cue import Cue
from retrieval.core.filters import Filter
from retrieval.core.payload import Scalar
from retrieval.core.tracks import Span, Track
from retrieval.core.video import VideoFeatures, VideoPrediction

MAX_LIMIT = 1_000
MAX_OFFSET = 10_000
MAX_QUERIES = 16
MAX_TEXT_QUERY = 4_096
MAX_AUDIO_BYTES = 64 * 1024 * 1024
MAX_CLIP_BYTES = 64 * 1024 * 1024
DEFAULT_CUES = 50
MAX_CUES = 200
WEAK = 0.5
"""Fit below which a hit is marked: more likely than not, what was asked for is not there."""


@dataclass(frozen=True, slots=True)
class TextQuery:
    """Words: a title, a name, or a description."""

    text: str


@dataclass(frozen=True, slots=True)
class AudioQuery:
    """An encoded sound file (WAV, FLAC, MP3, OGG/Opus, M4A/AAC, AIFF), hostile until decoded."""

    data: bytes


@dataclass(frozen=True, slots=True)
class TrackQuery:
    """More like this track, which is left out of the answer."""

    track_id: str


@dataclass(frozen=True, slots=True)
class SegmentQuery:
    """More like this time span of a track: the stored segments that overlap it, averaged."""

    track_id: str
    span: Span


class Scaling(Enum):
    """Units in which a weighted-Euclidean distance is taken."""

    STANDARDISED = "standardised"
    """Each dimension divided by the library's standard deviation (the default)."""
    RAW = "raw"
    """The dimensions as they are."""


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """A ready-made vector in one space.

    Attributes:
        values: Always in the space's own (raw) units, whatever the scaling.
        space: Name of the space, or None if exactly one dense space of the library has this length.
        scaling: Weighted-Euclidean spaces only.
        weights: One weight >= 0 per dimension, by name or by index as text; others keep 1.
        dims: Names of the dimensions to compare, or the preset ``("VA",)`` for arousal and valence;
            empty means all.
    """

    values: tuple[float, ...]
    space: str | None = None
    scaling: Scaling = Scaling.STANDARDISED
    weights: Mapping[str, float] = field(default_factory=dict)
    dims: tuple[str, ...] = ()


class Metric(Enum):
    """How two vectors of a weighted-Euclidean space are compared."""

    EUCLIDEAN = "euclidean"
    """The weighted distance (the default)."""
    COSINE = "cosine"
    """1 - the weighted cosine: from the library's mean if standardised, from 0 if raw."""


@dataclass(frozen=True, slots=True)
class VideoQuery:
    """Music for a picture: the tracks nearest to what is predicted for it.

    Exactly one of the first three is set.

    Attributes:
        predicted: Ten perceptual dimensions in the space's own units, from a caller's recommender.
        features: A clip as eleven dimensions, from which the library's recommender predicts.
        clip: A whole MP4, MOV or WebM file, hostile until decoded, to be measured first.
        metric: How the prediction and tracks are compared.
        scaling: As in ``VectorQuery``.
        weights: As in ``VectorQuery``; they multiply what each dimension counts by the prediction.
        dims: As in ``VectorQuery``.
        cues: How many of the nearest tracks are fitted to the clip's cuts, 0 to ``MAX_CUES``, and
            ordered anew by nearness and by how well they fit; 0 leaves the order to distances.
            Only a clip of which the cuts are known is fitted to.
    """

    predicted: tuple[float, ...] | None = None
    features: VideoFeatures | None = None
    clip: bytes | None = None
    metric: Metric = Metric.EUCLIDEAN
    scaling: Scaling = Scaling.STANDARDISED
    weights: Mapping[str, float] = field(default_factory=dict)
    dims: tuple[str, ...] = ()
    cues: int = DEFAULT_CUES


Query = TextQuery | AudioQuery | TrackQuery | SegmentQuery | VectorQuery | VideoQuery


@dataclass(frozen=True, slots=True)
class WeightedQuery:
    """One query of a search.

    Attributes:
        query: The query.
        weight: Its share in the fusion, > 0.
        spaces: Names of the spaces to ask; empty means every space that can take this query.
        space_weights: What single spaces count in the fusion, > 0, by name of a space that is
            asked; others keep 1. A ranking's share is ``weight`` times that of its space.
    """

    query: Query
    weight: float = 1.0
    spaces: tuple[str, ...] = ()
    space_weights: Mapping[str, float] = field(default_factory=dict)


class FusionMethod(Enum):
    """How several rankings become one."""

    RRF = "rrf"
    """Reciprocal rank fusion: sum of share / (k + rank), rank from 1 (Cormack et al. 2009)."""
    WEIGHTED_SCORE = "weighted_score"
    """Sum of share times score, each ranking scaled to 0..1 by its own minimum and maximum."""
    FIT = "fit"
    """1 - product of (1 - fit)^share, RRF among equals; RRF alone unless the space of every ranking
    is calibrated on the library. Of convex combinations of calibrated scores see Bruch, Gai and
    Ingber 2023."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """Fusion method; ``k`` is the RRF constant, >= 1."""

    method: FusionMethod = FusionMethod.FIT
    k: int = 60


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search.

    Attributes:
        queries: 1 to 16.
        filter: Applies to every query.
        limit: Hits wanted, 1 to 1000.
        offset: Hits to skip, 0 to 10000; set from a page token on the wire.
        segments: Best segments to return per hit, 0 to 20.
        fusion: Used when there is more than one ranking.
        payload_fields: Payload fields to return; None means all, empty none.
        min_fit: Leave out hits whose fit is below this, 0 to 1; those without a fit stay.
    """

    queries: tuple[WeightedQuery, ...]
    filter: Filter | None = None
    limit: int = 10
    offset: int = 0
    segments: int = 3
    fusion: Fusion = Fusion()
    payload_fields: tuple[str, ...] | None = None
    min_fit: float | None = None


@dataclass(frozen=True, slots=True)
class RecommendRequest:
    """Similar tracks from examples, which are left out of the answer.

    In every asked space the probe is ``2 * mean(positive) - mean(negative)``, or the mean of the
    positives where there are no negatives.

    Attributes:
        positive: Track ids, 1 to 64.
        negative: Track ids, 0 to 64.
        spaces: Dense spaces to ask; empty means all of the library.
        space_weights: As in ``WeightedQuery``.
        min_fit: As in ``SearchRequest``.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()
    filter: Filter | None = None
    limit: int = 10
    offset: int = 0
    segments: int = 3
    fusion: Fusion = Fusion()
    payload_fields: tuple[str, ...] | None = None
    space_weights: Mapping[str, float] = field(default_factory=dict)
    min_fit: float | None = None


@dataclass(frozen=True, slots=True)
class SegmentHit:
    """One of a hit's best time spans; score as in ``Evidence``."""

    span: Span
    score: float
    space: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a track is a hit: its place in one ranking.

    Attributes:
        query: Index of the query in the request.
        space: The space asked.
        rank: From 1.
        score: The space's own score, higher is better (cosine, BM25, or -distance).
        distance: The distance in weighted-Euclidean spaces, else None.
        fit: How likely the library has what the query asks for, as far as this space can tell, if
            this is the best it has, 0 to 1; None where the space is not calibrated on the library
            (``search.calibration``).
    """

    query: int
    space: str
    rank: int
    score: float
    distance: float | None = None
    fit: float | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A track with score, best segments and why.

    Attributes:
        track: Its payload holds the fields that were asked for.
        score: The single ranking's own score, or the fused score of several.
        segments: Best first.
        evidence: One entry per ranking the track was in.
        fit: How likely the library has what was asked for, if this is the best it has, 0 to 1, by
            all spaces that can tell; None if none can. Unlike scores it compares between answers.
        cue: Where in it the music for a clip begins; None if there is no clip to fit it to, or its
            beats are not known.
    """

    track: Track
    score: float
    segments: tuple[SegmentHit, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    fit: float | None = None
    cue: Cue | None = None

    @property
    def weak(self) -> bool:
        """Among the nearest that there are, and probably not what was asked for."""
        return self.fit is not None and self.fit < WEAK


@dataclass(frozen=True, slots=True)
class SpaceFit:
    """What one query found in one space.

    Attributes:
        query: Index of the query in the request.
        space: The space asked.
        fit: The best of any track, on this page or not; None where the space is not calibrated.
    """

    query: int
    space: str
    fit: float | None

    @property
    def weak(self) -> bool:
        """Nothing in the library fits."""
        return self.fit is not None and self.fit < WEAK


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A space that takes such queries, and was not asked as nobody named it.

    Attributes:
        space: Its name.
        reason: Stable reason, as of the error if it had been named: REVISION_MISMATCH.
        message: What is the matter, and what to do.
    """

    space: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """Hits, best first.

    Attributes:
        hits: One page of them.
        took_ms: Time in the library.
        more: True if another page may have some.
        spaces: What each query found in each space that it was asked in.
        videos: One per video query.
        left_out: Spaces that this would have been asked in, if they could be.
    """

    hits: tuple[Hit, ...]
    took_ms: float
    more: bool = False
    spaces: tuple[SpaceFit, ...] = ()
    videos: tuple[VideoPrediction, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class TrackPage:
    """A page of tracks in the store's stable order.

    Attributes:
        tracks: At most as many as were asked for.
        next_after: Id of the track to continue after, None at the end.
    """

    tracks: tuple[Track, ...]
    next_after: str | None = None


@dataclass(frozen=True, slots=True)
class FacetCount:
    """How many tracks have this value in the field asked for."""

    value: Scalar
    count: int
