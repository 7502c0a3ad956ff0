"""Filters are checked for size, fields and types before any engine sees them."""

from __future__ import annotations

import pytest

from retrieval.core.errors import InvalidInputError
from retrieval.core.filters import (
    MAX_CHOICES,
    MAX_DEPTH,
    MAX_NODES,
    All,
    Any,
    AnyOf,
    Equals,
    Exists,
    Filter,
    NoneOf,
    Not,
    Range,
    TextMatch,
    TrackIds,
    check_filter,
)
from retrieval.core.payload import STANDARD_FIELDS, Field, FieldType

FIELDS = {f.name: f for f in (*STANDARD_FIELDS, Field("live", FieldType.BOOLEAN))}


def _nested(depth: int) -> Filter:
    node: Filter = Exists("title")
    for _ in range(depth - 1):
        node = Not(node)
    return node


@pytest.mark.parametrize(
    "good",
    [
        Equals("artist", "The Who"),
        Equals("year", 1969),
        Equals("live", True),
        AnyOf("genre", ("rock", "folk")),
        NoneOf("genre", ()),
        Range("year", gte=1960, lt=1970),
        Range("year", gt=1999.5),
        Range("indexed_at", gte="2026-01-01T00:00:00Z"),
        TextMatch("title", "blue"),
        TrackIds(("a", "b")),
        All(()),
        Any((Exists("bpm"), Not(Exists("key")))),
        _nested(MAX_DEPTH),
        All(tuple(Exists("title") for _ in range(MAX_NODES - 1))),
        AnyOf("title", tuple(str(i) for i in range(MAX_CHOICES))),
    ],
)
def test_a_filter_that_fits_passes(good: Filter) -> None:
    check_filter(good, FIELDS)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (Equals("mood", "calm"), "no field 'mood'"),
        (Equals("progressions", "M7M"), "no field 'progressions'.*--no-describe"),
        (Equals("year", "1969"), "integer"),
        (Equals("year", True), "integer"),
        (Equals("live", 1), "boolean"),
        (Equals("title", 3), "text"),
        (AnyOf("year", (1969, "x")), "integer"),
        (AnyOf("title", tuple(str(i) for i in range(MAX_CHOICES + 1))), "choices"),
        (Range("title", gt=1), "no order"),
        (Range("year"), "no bound"),
        (Range("bpm", gt=float("nan")), "float"),
        (Range("bpm", gt=float("inf")), "float"),
        (Range("indexed_at", gt="2026-01-01T00:00:00"), "datetime"),
        (Range("indexed_at", gt="yesterday"), "datetime"),
        (TextMatch("paths", "x"), "words"),
        (TextMatch("title", " ?! "), "no words"),
        (TextMatch("title", "x" * 5000), "too long"),
        (TrackIds(tuple(str(i) for i in range(MAX_CHOICES + 1))), "tracks"),
        (_nested(MAX_DEPTH + 1), "deeper"),
        (_nested(900), "deeper"),
        (All(tuple(Exists("title") for _ in range(MAX_NODES))), "conditions"),
        (All((All((Not(Equals("mood", "x")),)),)), "mood"),
    ],
)
def test_a_filter_that_does_not_is_refused_by_name(bad: Filter, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says) as caught:
        check_filter(bad, FIELDS)
    assert caught.value.reason == "INVALID_FILTER"
