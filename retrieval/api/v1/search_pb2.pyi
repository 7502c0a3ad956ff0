from google.protobuf import field_mask_pb2 as _field_mask_pb2
from retrieval.api.v1 import types_pb2 as _types_pb2
from retrieval.api.v1 import video_pb2 as _video_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Scaling(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCALING_UNSPECIFIED: _ClassVar[Scaling]
    SCALING_STANDARDISED: _ClassVar[Scaling]
    SCALING_RAW: _ClassVar[Scaling]

class Metric(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    METRIC_UNSPECIFIED: _ClassVar[Metric]
    METRIC_EUCLIDEAN: _ClassVar[Metric]
    METRIC_COSINE: _ClassVar[Metric]

class FusionMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FUSION_METHOD_UNSPECIFIED: _ClassVar[FusionMethod]
    FUSION_METHOD_RRF: _ClassVar[FusionMethod]
    FUSION_METHOD_WEIGHTED_SCORE: _ClassVar[FusionMethod]
    FUSION_METHOD_FIT: _ClassVar[FusionMethod]
SCALING_UNSPECIFIED: Scaling
SCALING_STANDARDISED: Scaling
SCALING_RAW: Scaling
METRIC_UNSPECIFIED: Metric
METRIC_EUCLIDEAN: Metric
METRIC_COSINE: Metric
FUSION_METHOD_UNSPECIFIED: FusionMethod
FUSION_METHOD_RRF: FusionMethod
FUSION_METHOD_WEIGHTED_SCORE: FusionMethod
FUSION_METHOD_FIT: FusionMethod

class Query(_message.Message):
    __slots__ = ("text", "audio", "track", "segment", "vector", "video", "weight", "spaces", "space_weights")
    class SpaceWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    TRACK_FIELD_NUMBER: _ClassVar[int]
    SEGMENT_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    SPACE_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    text: str
    audio: bytes
    track: str
    segment: SegmentQuery
    vector: VectorQuery
    video: VideoQuery
    weight: float
    spaces: _containers.RepeatedScalarFieldContainer[str]
    space_weights: _containers.ScalarMap[str, float]
    def __init__(self, text: _Optional[str] = ..., audio: _Optional[bytes] = ..., track: _Optional[str] = ..., segment: _Optional[_Union[SegmentQuery, _Mapping]] = ..., vector: _Optional[_Union[VectorQuery, _Mapping]] = ..., video: _Optional[_Union[VideoQuery, _Mapping]] = ..., weight: _Optional[float] = ..., spaces: _Optional[_Iterable[str]] = ..., space_weights: _Optional[_Mapping[str, float]] = ...) -> None: ...

class SegmentQuery(_message.Message):
    __slots__ = ("track", "span")
    TRACK_FIELD_NUMBER: _ClassVar[int]
    SPAN_FIELD_NUMBER: _ClassVar[int]
    track: str
    span: _types_pb2.Span
    def __init__(self, track: _Optional[str] = ..., span: _Optional[_Union[_types_pb2.Span, _Mapping]] = ...) -> None: ...

class VectorQuery(_message.Message):
    __slots__ = ("values", "space", "scaling", "weights", "dims")
    class WeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    VALUES_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    SCALING_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    DIMS_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    space: str
    scaling: Scaling
    weights: _containers.ScalarMap[str, float]
    dims: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[float]] = ..., space: _Optional[str] = ..., scaling: _Optional[_Union[Scaling, str]] = ..., weights: _Optional[_Mapping[str, float]] = ..., dims: _Optional[_Iterable[str]] = ...) -> None: ...

class PredictedVector(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class VideoQuery(_message.Message):
    __slots__ = ("predicted", "features", "clip", "metric", "scaling", "weights", "dims", "cues")
    class WeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    PREDICTED_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    CLIP_FIELD_NUMBER: _ClassVar[int]
    METRIC_FIELD_NUMBER: _ClassVar[int]
    SCALING_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    DIMS_FIELD_NUMBER: _ClassVar[int]
    CUES_FIELD_NUMBER: _ClassVar[int]
    predicted: PredictedVector
    features: _video_pb2.VideoFeatures
    clip: bytes
    metric: Metric
    scaling: Scaling
    weights: _containers.ScalarMap[str, float]
    dims: _containers.RepeatedScalarFieldContainer[str]
    cues: int
    def __init__(self, predicted: _Optional[_Union[PredictedVector, _Mapping]] = ..., features: _Optional[_Union[_video_pb2.VideoFeatures, _Mapping]] = ..., clip: _Optional[bytes] = ..., metric: _Optional[_Union[Metric, str]] = ..., scaling: _Optional[_Union[Scaling, str]] = ..., weights: _Optional[_Mapping[str, float]] = ..., dims: _Optional[_Iterable[str]] = ..., cues: _Optional[int] = ...) -> None: ...

class Fusion(_message.Message):
    __slots__ = ("method", "k")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    K_FIELD_NUMBER: _ClassVar[int]
    method: FusionMethod
    k: int
    def __init__(self, method: _Optional[_Union[FusionMethod, str]] = ..., k: _Optional[int] = ...) -> None: ...

class SearchRequest(_message.Message):
    __slots__ = ("queries", "filter", "page_size", "page_token", "skip", "max_segments", "fusion", "read_mask", "min_fit")
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    MAX_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    FUSION_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    MIN_FIT_FIELD_NUMBER: _ClassVar[int]
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    filter: _types_pb2.Filter
    page_size: int
    page_token: str
    skip: int
    max_segments: int
    fusion: Fusion
    read_mask: _field_mask_pb2.FieldMask
    min_fit: float
    def __init__(self, queries: _Optional[_Iterable[_Union[Query, _Mapping]]] = ..., filter: _Optional[_Union[_types_pb2.Filter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., skip: _Optional[int] = ..., max_segments: _Optional[int] = ..., fusion: _Optional[_Union[Fusion, _Mapping]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., min_fit: _Optional[float] = ...) -> None: ...

class SearchAudioRequest(_message.Message):
    __slots__ = ("request", "chunk")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    request: SearchRequest
    chunk: AudioChunk
    def __init__(self, request: _Optional[_Union[SearchRequest, _Mapping]] = ..., chunk: _Optional[_Union[AudioChunk, _Mapping]] = ...) -> None: ...

class AudioChunk(_message.Message):
    __slots__ = ("query", "data")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    query: int
    data: bytes
    def __init__(self, query: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class RecommendRequest(_message.Message):
    __slots__ = ("positive", "negative", "spaces", "filter", "page_size", "page_token", "skip", "max_segments", "fusion", "read_mask", "space_weights", "min_fit")
    class SpaceWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    POSITIVE_FIELD_NUMBER: _ClassVar[int]
    NEGATIVE_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SKIP_FIELD_NUMBER: _ClassVar[int]
    MAX_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    FUSION_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    SPACE_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    MIN_FIT_FIELD_NUMBER: _ClassVar[int]
    positive: _containers.RepeatedScalarFieldContainer[str]
    negative: _containers.RepeatedScalarFieldContainer[str]
    spaces: _containers.RepeatedScalarFieldContainer[str]
    filter: _types_pb2.Filter
    page_size: int
    page_token: str
    skip: int
    max_segments: int
    fusion: Fusion
    read_mask: _field_mask_pb2.FieldMask
    space_weights: _containers.ScalarMap[str, float]
    min_fit: float
    def __init__(self, positive: _Optional[_Iterable[str]] = ..., negative: _Optional[_Iterable[str]] = ..., spaces: _Optional[_Iterable[str]] = ..., filter: _Optional[_Union[_types_pb2.Filter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., skip: _Optional[int] = ..., max_segments: _Optional[int] = ..., fusion: _Optional[_Union[Fusion, _Mapping]] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., space_weights: _Optional[_Mapping[str, float]] = ..., min_fit: _Optional[float] = ...) -> None: ...

class SegmentHit(_message.Message):
    __slots__ = ("span", "score", "space")
    SPAN_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    span: _types_pb2.Span
    score: float
    space: str
    def __init__(self, span: _Optional[_Union[_types_pb2.Span, _Mapping]] = ..., score: _Optional[float] = ..., space: _Optional[str] = ...) -> None: ...

class Evidence(_message.Message):
    __slots__ = ("query", "space", "rank", "score", "distance", "fit")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    FIT_FIELD_NUMBER: _ClassVar[int]
    query: int
    space: str
    rank: int
    score: float
    distance: float
    fit: float
    def __init__(self, query: _Optional[int] = ..., space: _Optional[str] = ..., rank: _Optional[int] = ..., score: _Optional[float] = ..., distance: _Optional[float] = ..., fit: _Optional[float] = ...) -> None: ...

class Hit(_message.Message):
    __slots__ = ("track", "score", "segments", "evidence", "fit", "weak", "cue")
    TRACK_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    FIT_FIELD_NUMBER: _ClassVar[int]
    WEAK_FIELD_NUMBER: _ClassVar[int]
    CUE_FIELD_NUMBER: _ClassVar[int]
    track: _types_pb2.Track
    score: float
    segments: _containers.RepeatedCompositeFieldContainer[SegmentHit]
    evidence: _containers.RepeatedCompositeFieldContainer[Evidence]
    fit: float
    weak: bool
    cue: _video_pb2.Cue
    def __init__(self, track: _Optional[_Union[_types_pb2.Track, _Mapping]] = ..., score: _Optional[float] = ..., segments: _Optional[_Iterable[_Union[SegmentHit, _Mapping]]] = ..., evidence: _Optional[_Iterable[_Union[Evidence, _Mapping]]] = ..., fit: _Optional[float] = ..., weak: bool = ..., cue: _Optional[_Union[_video_pb2.Cue, _Mapping]] = ...) -> None: ...

class SpaceFit(_message.Message):
    __slots__ = ("query", "space", "fit", "weak")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    FIT_FIELD_NUMBER: _ClassVar[int]
    WEAK_FIELD_NUMBER: _ClassVar[int]
    query: int
    space: str
    fit: float
    weak: bool
    def __init__(self, query: _Optional[int] = ..., space: _Optional[str] = ..., fit: _Optional[float] = ..., weak: bool = ...) -> None: ...

class LeftOut(_message.Message):
    __slots__ = ("space", "reason", "message")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    space: str
    reason: str
    message: str
    def __init__(self, space: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class SearchResponse(_message.Message):
    __slots__ = ("hits", "next_page_token", "took_ms", "spaces", "videos", "left_out")
    HITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOOK_MS_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    VIDEOS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    next_page_token: str
    took_ms: float
    spaces: _containers.RepeatedCompositeFieldContainer[SpaceFit]
    videos: _containers.RepeatedCompositeFieldContainer[_video_pb2.VideoPrediction]
    left_out: _containers.RepeatedCompositeFieldContainer[LeftOut]
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., took_ms: _Optional[float] = ..., spaces: _Optional[_Iterable[_Union[SpaceFit, _Mapping]]] = ..., videos: _Optional[_Iterable[_Union[_video_pb2.VideoPrediction, _Mapping]]] = ..., left_out: _Optional[_Iterable[_Union[LeftOut, _Mapping]]] = ...) -> None: ...

class SearchAudioResponse(_message.Message):
    __slots__ = ("hits", "next_page_token", "took_ms", "spaces", "videos", "left_out")
    HITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOOK_MS_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    VIDEOS_FIELD_NUMBER: _ClassVar[int]
    LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    next_page_token: str
    took_ms: float
    spaces: _containers.RepeatedCompositeFieldContainer[SpaceFit]
    videos: _containers.RepeatedCompositeFieldContainer[_video_pb2.VideoPrediction]
    left_out: _containers.RepeatedCompositeFieldContainer[LeftOut]
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., took_ms: _Optional[float] = ..., spaces: _Optional[_Iterable[_Union[SpaceFit, _Mapping]]] = ..., videos: _Optional[_Iterable[_Union[_video_pb2.VideoPrediction, _Mapping]]] = ..., left_out: _Optional[_Iterable[_Union[LeftOut, _Mapping]]] = ...) -> None: ...

class RecommendResponse(_message.Message):
    __slots__ = ("hits", "next_page_token", "took_ms", "spaces")
    HITS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOOK_MS_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    hits: _containers.RepeatedCompositeFieldContainer[Hit]
    next_page_token: str
    took_ms: float
    spaces: _containers.RepeatedCompositeFieldContainer[SpaceFit]
    def __init__(self, hits: _Optional[_Iterable[_Union[Hit, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., took_ms: _Optional[float] = ..., spaces: _Optional[_Iterable[_Union[SpaceFit, _Mapping]]] = ...) -> None: ...
