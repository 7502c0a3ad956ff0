"""What goes over the wire comes back as it was; what cannot be meant is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.api import filters as filter_codec
from retrieval.api import hits, masks, names, queries, records, requests, spaces, values, vectors
from retrieval.api.v1 import library_pb2, search_pb2, types_pb2
from retrieval.core import filters
from retrieval.core.errors import InvalidInputError
from retrieval.core.library import SpaceStatus
from retrieval.core.queries import FacetCount, SearchRequest, TextQuery, WeightedQuery
from retrieval.core.spaces import SparseVector, Vector
from retrieval.core.tracks import LibraryInfo, SegmentRecord, Span, Track
from tests.service import strategies as some


def reparsed(message: Any) -> Any:
    """The message after a trip over the wire."""
    return type(message).FromString(message.SerializeToString())


def same_vectors(left: dict[str, Vector], right: dict[str, Vector]) -> bool:
    def plain(vector: Vector) -> tuple[object, ...]:
        if isinstance(vector, SparseVector):
            return ("sparse", vector.indices.tobytes(), vector.values.tobytes())
        return ("dense", vector.tobytes())

    return {k: plain(v) for k, v in left.items()} == {k: plain(v) for k, v in right.items()}


def same_segments(left: tuple[SegmentRecord, ...], right: tuple[SegmentRecord, ...]) -> bool:
    return [s.span for s in left] == [s.span for s in right] and all(
        same_vectors(dict(a.vectors), dict(b.vectors)) for a, b in zip(left, right, strict=True)
    )


def typed(value: object) -> object:
    """A value that tells 1, 1.0 and True apart."""
    if isinstance(value, tuple):
        return tuple(typed(item) for item in value)
    return type(value), value


@given(some.payload_values)
def test_values_keep_value_and_type(value: object) -> None:
    wire = reparsed(values.encode_value(value, "v"))
    assert typed(values.decode_value(wire, "v")) == typed(value)


@given(some.any_filter)
def test_filters_round_trip(node: filters.Filter) -> None:
    assert filter_codec.decode_filter(reparsed(filter_codec.encode_filter(node))) == node


@given(some.searches)
def test_searches_round_trip(request: SearchRequest) -> None:
    wire = reparsed(requests.encode_search(request))
    decoded, _ = requests.decode_search(wire, wire.skip)
    assert decoded == request


@given(some.recommends)
def test_recommendations_round_trip(request: object) -> None:
    wire = reparsed(requests.encode_recommend(request))
    decoded, _ = requests.decode_recommend(wire, wire.skip)
    assert decoded == request


@given(some.responses, st.booleans())
def test_answers_round_trip(response: object, more: bool) -> None:
    wire = hits.encode_response(response, masks.HitMask(), search_pb2.SearchResponse())
    assert hits.decode_response(reparsed(wire)) == response
    wire.next_page_token = "next" if more else ""
    assert hits.decode_response(reparsed(wire)).more is more


@given(some.records)
def test_records_round_trip(record: object) -> None:
    decoded = records.decode_record(reparsed(records.encode_record(record)), "records[0]")
    assert (decoded.id, decoded.payload) == (record.id, record.payload)
    assert same_vectors(dict(decoded.vectors), dict(record.vectors))
    assert same_segments(decoded.segments, record.segments)


@given(some.updates)
def test_updates_round_trip(update: object) -> None:
    decoded = records.decode_update(reparsed(records.encode_update(update)), "updates[0]")
    assert (decoded.id, decoded.payload) == (update.id, update.payload)
    assert same_vectors(dict(decoded.vectors), dict(update.vectors))


@given(some.tracks)
def test_tracks_round_trip(track: Track) -> None:
    assert records.decode_track(reparsed(records.encode_track(track)), "track") == track


@given(
    st.lists(some.spaces(), max_size=3, unique_by=lambda s: s.name),
    st.lists(some.fields, max_size=3, unique_by=lambda f: f.name),
    st.dictionaries(some.space_names, some.statistics, max_size=2),
)
def test_libraries_round_trip(parts: list, fields: list, statistics: dict) -> None:
    info = LibraryInfo("id", {s.name: s for s in parts}, {f.name: f for f in fields}, statistics)
    assert spaces.decode_library(reparsed(spaces.encode_library(info)), "library") == info


@given(some.spaces(), st.integers(0, 10**9), st.none() | some.statistics, some.texts)
def test_space_statuses_round_trip(space: object, tracks: int, stats: object, why: str) -> None:
    status = SpaceStatus(space, tracks, stats, not why, why)
    wire = reparsed(spaces.encode_space_status(status))
    assert spaces.decode_space_status(wire, "spaces[0]") == status


@given(some.scalars, st.integers(0, 2**40))
def test_facets_round_trip(value: object, count: int) -> None:
    wire = reparsed(hits.encode_facet(FacetCount(value, count)))
    decoded = hits.decode_facet(wire, "counts[0]")
    assert (typed(decoded.value), decoded.count) == (typed(value), count)


def refused(call: object, *args: object) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        call(*args)
    return caught.value


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_refused_with_their_path(bad: float) -> None:
    query = search_pb2.Query(vector=search_pb2.VectorQuery(values=[1, 2, 3, bad]))
    request = search_pb2.SearchRequest(queries=[search_pb2.Query(text="x"), query])
    error = refused(requests.decode_search, request, 0)
    assert error.metadata["field"] == "queries[1].vector.values[3]"
    assert error.reason == "INVALID_VECTOR"

    weighted = search_pb2.Query(text="x", weight=bad)
    error = refused(queries.decode_query, weighted, "queries[0]")
    assert error.metadata["field"] == "queries[0].weight"

    weighted = search_pb2.Query(text="x", space_weights={"clap": 2, "clamp3": bad})
    error = refused(queries.decode_query, weighted, "queries[0]")
    assert error.metadata["field"] == "queries[0].space_weights['clamp3']"
    recommend = search_pb2.RecommendRequest(space_weights={"clap": bad})
    error = refused(requests.decode_recommend, recommend, 0)
    assert error.metadata["field"] == "space_weights['clap']"

    weights = search_pb2.VectorQuery(values=[1], weights={"warmth": bad})
    error = refused(queries.decode_query, search_pb2.Query(vector=weights), "queries[0]")
    assert error.metadata["field"] == "queries[0].vector.weights['warmth']"

    record = library_pb2.TrackRecord(name="tracks/a", payload={"bpm": types_pb2.Value(number=bad)})
    error = refused(records.decode_record, record, "records[2]")
    assert error.metadata["field"] == "records[2].payload['bpm']"

    dense = types_pb2.Vector(dense=types_pb2.DenseVector(values=[0, bad]))
    record = library_pb2.TrackRecord(name="tracks/a", vectors={"clap": dense})
    error = refused(records.decode_record, record, "records[0]")
    assert error.metadata["field"] == "records[0].vectors['clap'].dense.values[1]"

    equals = types_pb2.Equals(field="bpm", value=types_pb2.Value(number=bad))
    error = refused(filter_codec.decode_filter, types_pb2.Filter(equals=equals))
    assert (error.metadata["field"], error.reason) == ("filter.equals.value", "INVALID_FILTER")

    span = types_pb2.Span(start_seconds=bad, end_seconds=2)
    error = refused(vectors.decode_span, span, "span")
    assert error.metadata["field"] == "span.start_seconds"
    refused(values.encode_value, bad, "v")


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (search_pb2.SearchRequest(queries=[{}]), "queries[0]"),
        (search_pb2.SearchRequest(queries=[{"track": "a"}]), "queries[0].track"),
        (search_pb2.SearchRequest(queries=[{"track": "tracks/../etc"}]), "queries[0].track"),
        (search_pb2.SearchRequest(queries=[{"track": "tracks/a\n"}]), "queries[0].track"),
        (
            search_pb2.SearchRequest(queries=[{"segment": {"track": "tracks/a"}}]),
            "queries[0].segment.span",
        ),
        (
            search_pb2.SearchRequest(
                queries=[
                    {
                        "segment": {
                            "track": "tracks/a",
                            "span": {"start_seconds": 3, "end_seconds": 2},
                        }
                    }
                ]
            ),
            "queries[0].segment.span",
        ),
        (
            search_pb2.SearchRequest(queries=[{"vector": {"values": [1], "scaling": 77}}]),
            "queries[0].vector.scaling",
        ),
        (search_pb2.SearchRequest(queries=[{"text": "a"}] * 17), "queries"),
        (search_pb2.SearchRequest(fusion={"method": 9}), "fusion.method"),
        (search_pb2.SearchRequest(page_size=-1), "page_size"),
        (search_pb2.SearchRequest(skip=-1), "skip"),
        (search_pb2.SearchRequest(max_segments=-1), "max_segments"),
        (search_pb2.SearchRequest(filter={}), "filter"),
        (
            search_pb2.SearchRequest(filter={"all": {"filters": [{"exists": {}}, {}]}}),
            "filter.all.filters[1]",
        ),
        (search_pb2.SearchRequest(filter={"equals": {"field": "a"}}), "filter.equals.value"),
        (
            search_pb2.SearchRequest(
                filter={"equals": {"field": "a", "value": {"list": {"values": []}}}}
            ),
            "filter.equals.value",
        ),
        (search_pb2.SearchRequest(filter={"range": {"field": "a"}}), "filter.range"),
        (
            search_pb2.SearchRequest(filter={"range": {"field": "a", "gt": {"boolean": True}}}),
            "filter.range.gt",
        ),
        (
            search_pb2.SearchRequest(
                filter={"any_of": {"field": "a", "values": [{"text": "b"}] * 1025}}
            ),
            "filter.any_of.values",
        ),
        (
            search_pb2.SearchRequest(filter={"track_ids": {"names": ["tracks/a", "b"]}}),
            "filter.track_ids.names[1]",
        ),
        (search_pb2.SearchRequest(read_mask={"paths": ["score", "nope"]}), "read_mask.paths[1]"),
        (search_pb2.SearchRequest(read_mask={"paths": ["track."]}), "read_mask.paths[0]"),
        (search_pb2.SearchRequest(read_mask={"paths": ["name"]}), "read_mask.paths[0]"),
        (
            search_pb2.SearchRequest(read_mask={"paths": ["track.payload.A"]}),
            "read_mask.paths[0]",
        ),
    ],
)
def test_malformed_searches_name_the_field(message: search_pb2.SearchRequest, field: str) -> None:
    error = refused(requests.decode_search, message, message.skip)
    assert error.metadata["field"] == field
    assert error.message.startswith(f"{field}: ")


def deep_filter(levels: int) -> types_pb2.Filter:
    message = types_pb2.Filter(exists=types_pb2.Exists(field="title"))
    for _ in range(levels - 1):
        message = types_pb2.Filter(negation=message)
    return message


def test_filter_depth_and_size_are_bounded_exactly() -> None:
    filter_codec.decode_filter(deep_filter(8))
    assert refused(filter_codec.decode_filter, deep_filter(9)).reason == "INVALID_FILTER"
    wide = [{"exists": {"field": "title"}}] * 255
    filter_codec.decode_filter(types_pb2.Filter(all={"filters": wide}))
    wide.append({"exists": {"field": "title"}})
    error = refused(filter_codec.decode_filter, types_pb2.Filter(all={"filters": wide}))
    assert "256" in error.message
    nested: filters.Filter = filters.Exists("title")
    for _ in range(5000):
        nested = filters.Not(nested)
    assert refused(filter_codec.encode_filter, nested).reason == "INVALID_FILTER"


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"name": "a"}, "r.name"),
        ({"name": "tracks/a", "payload": {"x": {}}}, "r.payload['x']"),
        (
            {"name": "tracks/a", "payload": {"x": {"list": {"values": [{"list": {}}]}}}},
            "r.payload['x'][0]",
        ),
        ({"name": "tracks/a", "vectors": {"x": {}}}, "r.vectors['x']"),
        ({"name": "tracks/a", "vectors": {"A": {"dense": {"values": [1]}}}}, "r.vectors['A']"),
        ({"name": "tracks/a", "vectors": {"x": {"dense": {}}}}, "r.vectors['x'].dense.values"),
        (
            {"name": "tracks/a", "vectors": {"x": {"sparse": {"indices": [1]}}}},
            "r.vectors['x'].sparse",
        ),
        (
            {
                "name": "tracks/a",
                "vectors": {"x": {"sparse": {"indices": [2, 2], "values": [1, 1]}}},
            },
            "r.vectors['x'].sparse.indices",
        ),
        ({"name": "tracks/a", "segments": [{}]}, "r.segments[0].span"),
    ],
)
def test_malformed_records_name_the_field(message: dict, field: str) -> None:
    error = refused(records.decode_record, library_pb2.TrackRecord(**message), "r")
    assert error.metadata["field"] == field


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ({}, "revision"),
        ({"revision": "1", "name": "a", "dim": 2, "distance": 1}, "levels"),
        ({"revision": "1", "name": "a", "dim": 2, "levels": [1]}, "distance"),
        ({"revision": "1", "name": "a", "dim": 2, "distance": 9, "levels": [1]}, "distance"),
        ({"revision": "1", "name": "a", "dim": 2, "distance": 1, "levels": [0]}, "levels[0]"),
        ({"revision": "1", "name": "A", "dim": 2, "distance": 1, "levels": [1]}, "space name"),
        ({"revision": "1", "name": "a", "dim": -2, "distance": 1, "levels": [1]}, "dim"),
        ({"revision": "1", "name": "a", "dim": 2, "distance": 3, "levels": [1]}, "anchor"),
    ],
)
def test_malformed_spaces_are_refused(message: dict, word: str) -> None:
    error = refused(spaces.decode_space, types_pb2.EmbeddingSpace(**message), "spaces[0]")
    assert word in error.message
    assert error.metadata["field"].startswith("spaces[0]")


def test_what_the_wire_would_change_is_refused_before_it_is_sent() -> None:
    def search(**changes: object) -> SearchRequest:
        return SearchRequest((WeightedQuery(TextQuery("x")),), **changes)

    for request in (search(limit=0), search(limit=1001), search(offset=-1), search(segments=-1)):
        refused(requests.encode_search, request)
    refused(values.encode_value, "\udc80", "v")
    refused(values.encode_value, 2**63, "v")
    refused(names.track_name, "a/b")


def test_unset_and_odd_values_take_their_documented_defaults() -> None:
    request, mask = requests.decode_search(search_pb2.SearchRequest(page_size=5000), 7)
    assert (request.limit, request.offset, request.segments) == (1000, 7, 3)
    assert mask == masks.HitMask()
    request, _ = requests.decode_search(search_pb2.SearchRequest(), 0)
    assert (request.limit, request.fusion.k, request.payload_fields) == (10, 60, None)
    request, _ = requests.decode_search(search_pb2.SearchRequest(max_segments=0), 0)
    assert request.segments == 0


def test_masks_keep_only_what_they_name() -> None:
    def mask(*paths: str) -> masks.HitMask:
        return masks.decode_hit_mask(search_pb2.SearchRequest(read_mask={"paths": paths}).read_mask)

    assert mask("*") == mask("score", "*") == masks.HitMask()
    assert mask("track").track == masks.TrackMask()
    assert mask("track.payload").track == masks.TrackMask(name=False, payload_fields=None)
    only = mask("track.name", "track.payload.title", "track.payload.bpm", "track.payload.title")
    assert only.track == masks.TrackMask(True, ("title", "bpm"))
    assert not (only.score or only.segments or only.evidence)
    track = hits.mask_track(Track("a", {"title": "x", "bpm": 3.0}), only.track)
    assert set(track.payload) == {"title", "bpm"}
    bare = hits.mask_track(Track("a", {"title": "x"}), masks.TrackMask(True, ()))
    assert (bare.name, len(bare.payload)) == ("tracks/a", 0)


@given(st.binary(max_size=300))
def test_bytes_that_parse_either_decode_or_are_refused(data: bytes) -> None:
    for kind, decode in (
        (search_pb2.SearchRequest, lambda m: requests.decode_search(m, 0)),
        (search_pb2.RecommendRequest, lambda m: requests.decode_recommend(m, 0)),
        (library_pb2.TrackRecord, lambda m: records.decode_record(m, "r")),
        (library_pb2.TrackUpdate, lambda m: records.decode_update(m, "u")),
        (types_pb2.EmbeddingSpace, lambda m: spaces.decode_space(m, "s")),
        (types_pb2.Filter, filter_codec.decode_filter),
    ):
        try:
            message = kind.FromString(data)
        except Exception:  # noqa: S112 - protobuf's own refusal is the guard's business
            continue
        try:
            decode(message)
        except InvalidInputError as error:
            assert error.metadata["field"]


def test_span_and_vector_arrays_have_the_types_the_store_expects() -> None:
    wire = vectors.encode_vectors({"a": np.array([0.1, 0.2], np.float32)})
    decoded = vectors.decode_vectors(wire, "v")["a"]
    assert decoded.dtype == np.float32
    assert vectors.decode_span(vectors.encode_span(Span(0.5, 1.25)), "s") == Span(0.5, 1.25)
