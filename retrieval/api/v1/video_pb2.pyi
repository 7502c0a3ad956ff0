from retrieval.api.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VideoSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VIDEO_SOURCE_UNSPECIFIED: _ClassVar[VideoSource]
    VIDEO_SOURCE_SIGNAL: _ClassVar[VideoSource]
    VIDEO_SOURCE_MODEL: _ClassVar[VideoSource]
    VIDEO_SOURCE_GIVEN: _ClassVar[VideoSource]
    VIDEO_SOURCE_UNAVAILABLE: _ClassVar[VideoSource]
VIDEO_SOURCE_UNSPECIFIED: VideoSource
VIDEO_SOURCE_SIGNAL: VideoSource
VIDEO_SOURCE_MODEL: VideoSource
VIDEO_SOURCE_GIVEN: VideoSource
VIDEO_SOURCE_UNAVAILABLE: VideoSource

class VideoSeries(_message.Message):
    __slots__ = ("motion", "energy", "lightness", "temperature", "cut_counts", "cuts")
    MOTION_FIELD_NUMBER: _ClassVar[int]
    ENERGY_FIELD_NUMBER: _ClassVar[int]
    LIGHTNESS_FIELD_NUMBER: _ClassVar[int]
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    CUT_COUNTS_FIELD_NUMBER: _ClassVar[int]
    CUTS_FIELD_NUMBER: _ClassVar[int]
    motion: _containers.RepeatedScalarFieldContainer[float]
    energy: _containers.RepeatedScalarFieldContainer[float]
    lightness: _containers.RepeatedScalarFieldContainer[float]
    temperature: _containers.RepeatedScalarFieldContainer[float]
    cut_counts: _containers.RepeatedScalarFieldContainer[float]
    cuts: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, motion: _Optional[_Iterable[float]] = ..., energy: _Optional[_Iterable[float]] = ..., lightness: _Optional[_Iterable[float]] = ..., temperature: _Optional[_Iterable[float]] = ..., cut_counts: _Optional[_Iterable[float]] = ..., cuts: _Optional[_Iterable[float]] = ...) -> None: ...

class VideoFeatures(_message.Message):
    __slots__ = ("values", "sources", "feature_set", "series", "duration_seconds", "partial")
    VALUES_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    FEATURE_SET_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    DURATION_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    sources: _containers.RepeatedScalarFieldContainer[VideoSource]
    feature_set: str
    series: VideoSeries
    duration_seconds: float
    partial: bool
    def __init__(self, values: _Optional[_Iterable[float]] = ..., sources: _Optional[_Iterable[_Union[VideoSource, str]]] = ..., feature_set: _Optional[str] = ..., series: _Optional[_Union[VideoSeries, _Mapping]] = ..., duration_seconds: _Optional[float] = ..., partial: bool = ...) -> None: ...

class VideoPrediction(_message.Message):
    __slots__ = ("query", "source", "mean", "weights", "features", "outside")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    OUTSIDE_FIELD_NUMBER: _ClassVar[int]
    query: int
    source: str
    mean: _containers.RepeatedScalarFieldContainer[float]
    weights: _containers.RepeatedScalarFieldContainer[float]
    features: VideoFeatures
    outside: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, query: _Optional[int] = ..., source: _Optional[str] = ..., mean: _Optional[_Iterable[float]] = ..., weights: _Optional[_Iterable[float]] = ..., features: _Optional[_Union[VideoFeatures, _Mapping]] = ..., outside: _Optional[_Iterable[str]] = ...) -> None: ...

class Cue(_message.Message):
    __slots__ = ("start_seconds", "end_seconds", "anchor_seconds", "meets_seconds", "cut_offsets", "cuts_on_beat", "accents", "motion", "borders", "score", "plan", "stretch")
    START_SECONDS_FIELD_NUMBER: _ClassVar[int]
    END_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ANCHOR_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MEETS_SECONDS_FIELD_NUMBER: _ClassVar[int]
    CUT_OFFSETS_FIELD_NUMBER: _ClassVar[int]
    CUTS_ON_BEAT_FIELD_NUMBER: _ClassVar[int]
    ACCENTS_FIELD_NUMBER: _ClassVar[int]
    MOTION_FIELD_NUMBER: _ClassVar[int]
    BORDERS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    STRETCH_FIELD_NUMBER: _ClassVar[int]
    start_seconds: float
    end_seconds: float
    anchor_seconds: float
    meets_seconds: float
    cut_offsets: _containers.RepeatedScalarFieldContainer[float]
    cuts_on_beat: int
    accents: float
    motion: float
    borders: float
    score: float
    plan: _containers.RepeatedCompositeFieldContainer[_types_pb2.Span]
    stretch: float
    def __init__(self, start_seconds: _Optional[float] = ..., end_seconds: _Optional[float] = ..., anchor_seconds: _Optional[float] = ..., meets_seconds: _Optional[float] = ..., cut_offsets: _Optional[_Iterable[float]] = ..., cuts_on_beat: _Optional[int] = ..., accents: _Optional[float] = ..., motion: _Optional[float] = ..., borders: _Optional[float] = ..., score: _Optional[float] = ..., plan: _Optional[_Iterable[_Union[_types_pb2.Span, _Mapping]]] = ..., stretch: _Optional[float] = ...) -> None: ...
