"""Payload values fit the fields they are stored in."""

from __future__ import annotations

import pytest

from retrieval.core.errors import InvalidInputError
from retrieval.core.payload import (
    MAX_TEXT,
    MAX_VALUES,
    STANDARD_FIELDS,
    Field,
    FieldType,
    PayloadValue,
    check_payload,
    parse_datetime,
)
from retrieval.core.tracks import Span, Track, check_track_id

FIELDS = {f.name: f for f in (*STANDARD_FIELDS, Field("live", FieldType.BOOLEAN))}


def test_standard_fields_have_unique_names_and_say_what_they_are() -> None:
    assert len({f.name for f in STANDARD_FIELDS}) == len(STANDARD_FIELDS)
    assert all(f.description for f in STANDARD_FIELDS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", "x" * MAX_TEXT),
        ("genre", ("rock", "folk")),
        ("year", 1969),
        ("bpm", 120),
        ("bpm", -0.0),
        ("live", False),
        ("indexed_at", "2026-11-21T10:00:00+01:00"),
        ("genre", ()),
    ],
)
def test_values_that_fit(name: str, value: PayloadValue) -> None:
    check_payload({name: value}, FIELDS, where="tracks/a")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unheard", "of"),
        ("title", "x" * (MAX_TEXT + 1)),
        ("title", 1),
        ("genre", ("rock", 1)),
        ("genre", ("rock",) * (MAX_VALUES + 1)),
        ("year", 1969.0),
        ("year", True),
        ("year", 2**53),
        ("bpm", float("nan")),
        ("bpm", float("inf")),
        ("bpm", True),
        ("live", 1),
        ("indexed_at", "2026-11-21T10:00:00"),
    ],
)
def test_values_that_do_not_are_refused_by_name(name: str, value: PayloadValue) -> None:
    with pytest.raises(InvalidInputError, match=f"tracks/a.*{name}") as caught:
        check_payload({name: value}, FIELDS, where="tracks/a")
    assert caught.value.reason == "INVALID_FIELD"


@pytest.mark.parametrize("name", ["", "Title", "a-b", "1st", "x" * 65, "a.b"])
def test_field_names_are_plain(name: str) -> None:
    with pytest.raises(InvalidInputError):
        Field(name, FieldType.TEXT)


def test_datetimes_need_a_zone() -> None:
    assert parse_datetime("2026-11-21T10:00:00Z") == parse_datetime("2026-11-21T11:00:00+01:00")
    assert parse_datetime("2026-11-21T10:00:00") is None


@pytest.mark.parametrize("bad", ["", "a/b", "../x", "a b", "x" * 65, "ü", "a\n"])
def test_track_ids_cannot_be_paths(bad: str) -> None:
    with pytest.raises(InvalidInputError):
        check_track_id(bad)


@pytest.mark.parametrize(
    ("start", "end"), [(-1, 1), (1, 1), (2, 1), (0, float("inf")), (float("nan"), 1)]
)
def test_spans_run_forward(start: float, end: float) -> None:
    with pytest.raises(InvalidInputError):
        Span(start, end)


def test_one_path_or_several_read_alike() -> None:
    assert Track("a", {"paths": ("x", "y")}).paths == ("x", "y")
    assert Track("a", {"paths": "x"}).paths == ("x",)
    assert Track("a").paths == ()
