from google.protobuf import field_mask_pb2 as _field_mask_pb2
from retrieval.api.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Library(_message.Message):
    __slots__ = ("id", "spaces", "fields", "statistics")
    class StatisticsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _types_pb2.Statistics
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_types_pb2.Statistics, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    SPACES_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    id: str
    spaces: _containers.RepeatedCompositeFieldContainer[_types_pb2.EmbeddingSpace]
    fields: _containers.RepeatedCompositeFieldContainer[_types_pb2.Field]
    statistics: _containers.MessageMap[str, _types_pb2.Statistics]
    def __init__(self, id: _Optional[str] = ..., spaces: _Optional[_Iterable[_Union[_types_pb2.EmbeddingSpace, _Mapping]]] = ..., fields: _Optional[_Iterable[_Union[_types_pb2.Field, _Mapping]]] = ..., statistics: _Optional[_Mapping[str, _types_pb2.Statistics]] = ...) -> None: ...

class GetLibraryRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetLibraryResponse(_message.Message):
    __slots__ = ("library",)
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    library: Library
    def __init__(self, library: _Optional[_Union[Library, _Mapping]] = ...) -> None: ...

class GetTrackRequest(_message.Message):
    __slots__ = ("name", "read_mask")
    NAME_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    name: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, name: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class GetTrackResponse(_message.Message):
    __slots__ = ("track",)
    TRACK_FIELD_NUMBER: _ClassVar[int]
    track: _types_pb2.Track
    def __init__(self, track: _Optional[_Union[_types_pb2.Track, _Mapping]] = ...) -> None: ...

class ListTracksRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token", "after", "read_mask")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    filter: _types_pb2.Filter
    page_size: int
    page_token: str
    after: str
    read_mask: _field_mask_pb2.FieldMask
    def __init__(self, filter: _Optional[_Union[_types_pb2.Filter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., after: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class ListTracksResponse(_message.Message):
    __slots__ = ("tracks", "next_page_token")
    TRACKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tracks: _containers.RepeatedCompositeFieldContainer[_types_pb2.Track]
    next_page_token: str
    def __init__(self, tracks: _Optional[_Iterable[_Union[_types_pb2.Track, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class CountTracksRequest(_message.Message):
    __slots__ = ("filter",)
    FILTER_FIELD_NUMBER: _ClassVar[int]
    filter: _types_pb2.Filter
    def __init__(self, filter: _Optional[_Union[_types_pb2.Filter, _Mapping]] = ...) -> None: ...

class CountTracksResponse(_message.Message):
    __slots__ = ("count",)
    COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    def __init__(self, count: _Optional[int] = ...) -> None: ...

class FacetsRequest(_message.Message):
    __slots__ = ("field", "filter", "limit")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    field: str
    filter: _types_pb2.Filter
    limit: int
    def __init__(self, field: _Optional[str] = ..., filter: _Optional[_Union[_types_pb2.Filter, _Mapping]] = ..., limit: _Optional[int] = ...) -> None: ...

class FacetCount(_message.Message):
    __slots__ = ("value", "count")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    value: _types_pb2.Value
    count: int
    def __init__(self, value: _Optional[_Union[_types_pb2.Value, _Mapping]] = ..., count: _Optional[int] = ...) -> None: ...

class FacetsResponse(_message.Message):
    __slots__ = ("counts",)
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    counts: _containers.RepeatedCompositeFieldContainer[FacetCount]
    def __init__(self, counts: _Optional[_Iterable[_Union[FacetCount, _Mapping]]] = ...) -> None: ...

class ListEmbeddingSpacesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class SpaceStatus(_message.Message):
    __slots__ = ("space", "track_count", "statistics", "encoder_available", "problem")
    SPACE_FIELD_NUMBER: _ClassVar[int]
    TRACK_COUNT_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    ENCODER_AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    space: _types_pb2.EmbeddingSpace
    track_count: int
    statistics: _types_pb2.Statistics
    encoder_available: bool
    problem: str
    def __init__(self, space: _Optional[_Union[_types_pb2.EmbeddingSpace, _Mapping]] = ..., track_count: _Optional[int] = ..., statistics: _Optional[_Union[_types_pb2.Statistics, _Mapping]] = ..., encoder_available: bool = ..., problem: _Optional[str] = ...) -> None: ...

class ListEmbeddingSpacesResponse(_message.Message):
    __slots__ = ("spaces",)
    SPACES_FIELD_NUMBER: _ClassVar[int]
    spaces: _containers.RepeatedCompositeFieldContainer[SpaceStatus]
    def __init__(self, spaces: _Optional[_Iterable[_Union[SpaceStatus, _Mapping]]] = ...) -> None: ...

class Series(_message.Message):
    __slots__ = ("name", "unit", "dtype", "width", "values", "rate_hz", "time_seconds", "end_seconds", "labels")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    RATE_HZ_FIELD_NUMBER: _ClassVar[int]
    TIME_SECONDS_FIELD_NUMBER: _ClassVar[int]
    END_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    unit: str
    dtype: str
    width: int
    values: bytes
    rate_hz: float
    time_seconds: _containers.RepeatedScalarFieldContainer[float]
    end_seconds: _containers.RepeatedScalarFieldContainer[float]
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., unit: _Optional[str] = ..., dtype: _Optional[str] = ..., width: _Optional[int] = ..., values: _Optional[bytes] = ..., rate_hz: _Optional[float] = ..., time_seconds: _Optional[_Iterable[float]] = ..., end_seconds: _Optional[_Iterable[float]] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class GetSeriesRequest(_message.Message):
    __slots__ = ("name", "series")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    name: str
    series: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., series: _Optional[_Iterable[str]] = ...) -> None: ...

class GetSeriesResponse(_message.Message):
    __slots__ = ("series",)
    SERIES_FIELD_NUMBER: _ClassVar[int]
    series: _containers.RepeatedCompositeFieldContainer[Series]
    def __init__(self, series: _Optional[_Iterable[_Union[Series, _Mapping]]] = ...) -> None: ...

class WriteSeriesRequest(_message.Message):
    __slots__ = ("name", "series", "replacing")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    REPLACING_FIELD_NUMBER: _ClassVar[int]
    name: str
    series: _containers.RepeatedCompositeFieldContainer[Series]
    replacing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., series: _Optional[_Iterable[_Union[Series, _Mapping]]] = ..., replacing: _Optional[_Iterable[str]] = ...) -> None: ...

class WriteSeriesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeleteTrackRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DeleteTrackResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BatchDeleteTracksRequest(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class BatchDeleteTracksResponse(_message.Message):
    __slots__ = ("deleted_count",)
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    deleted_count: int
    def __init__(self, deleted_count: _Optional[int] = ...) -> None: ...

class DeclareSpacesRequest(_message.Message):
    __slots__ = ("spaces", "fields", "replacing")
    SPACES_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    REPLACING_FIELD_NUMBER: _ClassVar[int]
    spaces: _containers.RepeatedCompositeFieldContainer[_types_pb2.EmbeddingSpace]
    fields: _containers.RepeatedCompositeFieldContainer[_types_pb2.Field]
    replacing: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, spaces: _Optional[_Iterable[_Union[_types_pb2.EmbeddingSpace, _Mapping]]] = ..., fields: _Optional[_Iterable[_Union[_types_pb2.Field, _Mapping]]] = ..., replacing: _Optional[_Iterable[str]] = ...) -> None: ...

class DeclareSpacesResponse(_message.Message):
    __slots__ = ("library",)
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    library: Library
    def __init__(self, library: _Optional[_Union[Library, _Mapping]] = ...) -> None: ...

class TrackRecord(_message.Message):
    __slots__ = ("name", "payload", "vectors", "segments")
    class PayloadEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _types_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_types_pb2.Value, _Mapping]] = ...) -> None: ...
    class VectorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _types_pb2.Vector
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_types_pb2.Vector, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    payload: _containers.MessageMap[str, _types_pb2.Value]
    vectors: _containers.MessageMap[str, _types_pb2.Vector]
    segments: _containers.RepeatedCompositeFieldContainer[SegmentRecord]
    def __init__(self, name: _Optional[str] = ..., payload: _Optional[_Mapping[str, _types_pb2.Value]] = ..., vectors: _Optional[_Mapping[str, _types_pb2.Vector]] = ..., segments: _Optional[_Iterable[_Union[SegmentRecord, _Mapping]]] = ...) -> None: ...

class SegmentRecord(_message.Message):
    __slots__ = ("span", "vectors")
    class VectorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _types_pb2.Vector
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_types_pb2.Vector, _Mapping]] = ...) -> None: ...
    SPAN_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    span: _types_pb2.Span
    vectors: _containers.MessageMap[str, _types_pb2.Vector]
    def __init__(self, span: _Optional[_Union[_types_pb2.Span, _Mapping]] = ..., vectors: _Optional[_Mapping[str, _types_pb2.Vector]] = ...) -> None: ...

class TrackUpdate(_message.Message):
    __slots__ = ("name", "payload", "vectors")
    class PayloadEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _types_pb2.Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_types_pb2.Value, _Mapping]] = ...) -> None: ...
    class VectorsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _types_pb2.Vector
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[_types_pb2.Vector, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    name: str
    payload: _containers.MessageMap[str, _types_pb2.Value]
    vectors: _containers.MessageMap[str, _types_pb2.Vector]
    def __init__(self, name: _Optional[str] = ..., payload: _Optional[_Mapping[str, _types_pb2.Value]] = ..., vectors: _Optional[_Mapping[str, _types_pb2.Vector]] = ...) -> None: ...

class WriteTracksRequest(_message.Message):
    __slots__ = ("more_segments", "records")
    MORE_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    more_segments: _containers.RepeatedCompositeFieldContainer[SegmentRecord]
    records: _containers.RepeatedCompositeFieldContainer[TrackRecord]
    def __init__(self, more_segments: _Optional[_Iterable[_Union[SegmentRecord, _Mapping]]] = ..., records: _Optional[_Iterable[_Union[TrackRecord, _Mapping]]] = ...) -> None: ...

class WriteTracksResponse(_message.Message):
    __slots__ = ("written_count",)
    WRITTEN_COUNT_FIELD_NUMBER: _ClassVar[int]
    written_count: int
    def __init__(self, written_count: _Optional[int] = ...) -> None: ...

class UpdateTracksRequest(_message.Message):
    __slots__ = ("updates",)
    UPDATES_FIELD_NUMBER: _ClassVar[int]
    updates: _containers.RepeatedCompositeFieldContainer[TrackUpdate]
    def __init__(self, updates: _Optional[_Iterable[_Union[TrackUpdate, _Mapping]]] = ...) -> None: ...

class UpdateTracksResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class BatchGetTracksRequest(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class BatchGetTracksResponse(_message.Message):
    __slots__ = ("tracks",)
    TRACKS_FIELD_NUMBER: _ClassVar[int]
    tracks: _containers.RepeatedCompositeFieldContainer[_types_pb2.Track]
    def __init__(self, tracks: _Optional[_Iterable[_Union[_types_pb2.Track, _Mapping]]] = ...) -> None: ...

class ReadTracksRequest(_message.Message):
    __slots__ = ("names",)
    NAMES_FIELD_NUMBER: _ClassVar[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, names: _Optional[_Iterable[str]] = ...) -> None: ...

class ReadTracksResponse(_message.Message):
    __slots__ = ("more_segments", "records")
    MORE_SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    more_segments: _containers.RepeatedCompositeFieldContainer[SegmentRecord]
    records: _containers.RepeatedCompositeFieldContainer[TrackRecord]
    def __init__(self, more_segments: _Optional[_Iterable[_Union[SegmentRecord, _Mapping]]] = ..., records: _Optional[_Iterable[_Union[TrackRecord, _Mapping]]] = ...) -> None: ...

class RefitSpaceRequest(_message.Message):
    __slots__ = ("space",)
    SPACE_FIELD_NUMBER: _ClassVar[int]
    space: str
    def __init__(self, space: _Optional[str] = ...) -> None: ...

class RefitSpaceResponse(_message.Message):
    __slots__ = ("statistics",)
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    statistics: _types_pb2.Statistics
    def __init__(self, statistics: _Optional[_Union[_types_pb2.Statistics, _Mapping]] = ...) -> None: ...

class OptimizeLibraryRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class OptimizeLibraryResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
