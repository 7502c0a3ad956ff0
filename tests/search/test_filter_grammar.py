from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.core.errors import InvalidInputError
from retrieval.core.filters import (
    MAX_DEPTH,
    All,
    Any,
    AnyOf,
    Equals,
    Exists,
    NoneOf,
    Not,
    Range,
    TextMatch,
    TrackIds,
    walk,
)
from retrieval.search.filter_grammar import parse
from tests.search.printer import KEYWORDS, show

# What is said of keys and chords is spelt anew: test_filter_music.py.
SPELT = {"key", "camelot", "chords"}
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in SPELT)
fields = names | st.sampled_from(sorted(KEYWORDS))
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
numbers = st.integers(-(10**17), 10**17) | st.floats(allow_nan=False, allow_infinity=False)
scalars = texts | numbers | st.booleans()
bounds = texts | numbers
ids = st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True)


def several(items):
    return st.lists(items, min_size=1, max_size=4).map(tuple)


conditions = st.one_of(
    st.builds(Equals, fields, scalars),
    st.builds(AnyOf, fields, several(scalars)),
    st.builds(NoneOf, fields, several(scalars)),
    st.builds(TextMatch, fields, texts),
    st.builds(Exists, fields),
    st.builds(TrackIds, several(ids)),
    st.builds(lambda f, low, high: Range(f, gte=low, lte=high), fields, bounds, bounds),
    st.builds(
        lambda f, sign, bound: Range(f, **{sign: bound}),
        fields,
        st.sampled_from(("gt", "gte", "lt", "lte")),
        bounds,
    ),
)
filters = st.recursive(
    conditions,
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Any(tuple(parts))),
        st.builds(Not, inner),
    ),
    max_leaves=8,
).filter(lambda node: max(depth for _, depth in walk(node)) <= MAX_DEPTH)


@given(filters)
def test_round_trip(node):
    assert parse(show(node)) == node


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_a_clear_error(text):
    try:
        parse(text)
    except InvalidInputError as error:
        assert error.reason == "INVALID_FILTER"


@given(filters, st.data())
def test_a_damaged_filter_is_a_filter_or_a_clear_error(node, data):
    text = show(node)
    at = data.draw(st.integers(0, len(text)))
    damaged = text[:at] + data.draw(st.sampled_from(('"', "(", "and", " ", "\\", ".."))) + text[at:]
    try:
        parse(damaged)
    except InvalidInputError as error:
        assert error.reason == "INVALID_FILTER"


@pytest.mark.parametrize(
    ("text", "node"),
    [
        (
            'bpm >= 90 and genre in ("rock","folk")',
            All((Range("bpm", gte=90), AnyOf("genre", ("rock", "folk")))),
        ),
        ("a=1", Equals("a", 1)),
        ("a == 1.5", Equals("a", 1.5)),
        ("a != -2", NoneOf("a", (-2,))),
        ("a = true or b = FALSE", Any((Equals("a", True), Equals("b", False)))),
        ("BPM IN 118..124", Range("bpm", gte=118, lte=124)),
        ("a in 1.5..2e3", Range("a", gte=1.5, lte=2000.0)),
        ("a in -3..-1", Range("a", gte=-3, lte=-1)),
        (
            'at in "2026-01-01T00:00:00Z".."2026-02-01T00:00:00Z"',
            Range("at", gte="2026-01-01T00:00:00Z", lte="2026-02-01T00:00:00Z"),
        ),
        ("title ~ 'blue moon'", TextMatch("title", "blue moon")),
        ("a = 1 or b = 2 and c = 3", Any((Equals("a", 1), All((Equals("b", 2), Equals("c", 3)))))),
        (
            "(a = 1 or b = 2) and c = 3",
            All((Any((Equals("a", 1), Equals("b", 2))), Equals("c", 3))),
        ),
        ("not a = 1 and b = 2", All((Not(Equals("a", 1)), Equals("b", 2)))),
        ("not (a = 1 and b = 2)", Not(All((Equals("a", 1), Equals("b", 2))))),
        ("a = 1 and b = 2 and c = 3", All(tuple(Equals(f, n) for n, f in enumerate("abc", 1)))),
        ("((a = 1))", Equals("a", 1)),
        ("exists a\n  and\tnot exists b", All((Exists("a"), Not(Exists("b"))))),
        ("android = 1 or nothing = 2", Any((Equals("android", 1), Equals("nothing", 2)))),
        ("`in` in (1)", AnyOf("in", (1,))),
        ('track = "x"', TrackIds(("x",))),
        ('track != "x"', Not(TrackIds(("x",)))),
        ('track not in ("x", "y")', Not(TrackIds(("x", "y")))),
        ('`track` = "x"', Equals("track", "x")),
        (r'a = "say \"hi\"\n\u00e9\\"', Equals("a", 'say "hi"\né\\')),
        (r"a = 'it\'s'", Equals("a", "it's")),
        (r'a = "\ud83d\ude00"', Equals("a", "😀")),
        ('a = "two\nlines"', Equals("a", "two\nlines")),
        ("a = 123456789012345678901", Equals("a", 123456789012345678901.0)),
    ],
)
def test_meaning(text, node):
    assert parse(text) == node


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("bpm >=", 7, "expected a number or a string"),
        ("bpm >= and b = 1", 8, "expected a number or a string"),
        ("genre = rock", 9, 'put words in quotes: "rock"'),
        ("bpm 3", 5, "expected =, < <= > >=, !=, ~, in or not"),
        ("a = 1 b = 2", 7, "expected and, or or the end"),
        ('a in ("x" "y")', 11, 'expected ")" or ","'),
        ("a in ()", 7, "expected a number, a string"),
        ("a in 1..", 9, "expected a number or a string"),
        ("a in 1", 7, '".."'),
        ("(a = 1", 7, '")"'),
        ("a = 1)", 6, "the end"),
        ('a = "open', 5, "no closing quote"),
        (r'a = "\q"', 6, r"unknown escape \q"),
        ("a = 1e999", 5, "too large"),
        ("a ~ 3", 5, "expected a string in quotes"),
        ("= 3", 1, "expected a field name"),
        ("a = 1 and", 10, "expected a field name"),
        ("a = $", 5, "expected a number"),
        ("a > true", 5, "expected a number or a string"),
    ],
)
def test_errors_point_at_the_place(text, column, says):
    with pytest.raises(InvalidInputError) as caught:
        parse(text)
    error = caught.value
    assert says in error.message
    assert error.metadata["column"] == str(column)
    first, line, caret = error.message.split("\n")
    assert f"column {column}" in first
    assert line == f"  {text}"
    assert caret == " " * (column + 1) + "^"


def test_errors_quote_the_line_and_what_is_around():
    with pytest.raises(InvalidInputError) as caught:
        parse("a = 1\nand b = c")
    assert caught.value.message.endswith("\n  and b = c\n          ^")
    with pytest.raises(InvalidInputError) as caught:
        parse(f"{'a = 1 and ' * 50}b = c{' and a = 1' * 50}")
    _, line, caret = caught.value.message.split("\n")
    assert line[len(caret) - 1] == "c"
    assert len(line) <= 102


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("  ", "it is empty"),
        ("not " * 12 + "a = 1", "deeper than 8"),
        (" or ".join(["a = 1"] * 300), "more than 256"),
        ("a" * 70_000, "at most 65536"),
    ],
)
def test_limits(text, says):
    with pytest.raises(InvalidInputError, match=says) as caught:
        parse(text)
    assert caught.value.reason == "INVALID_FILTER"


def test_progressions_are_written_as_musicians_do():
    four = Equals("progressions", "M7M2m8M")
    for text in ("I–V–vi–IV", "C G Am F", "Eb Bb Cm Ab"):
        assert parse(f'progressions ~ "{text}"') == four
    assert parse('not progressions ~ "I V I IV I"') == Not(
        All((Equals("progressions", "M7M5M5M"), Equals("progressions", "M5M5M7M")))
    )
    assert parse('progressions = "M7M2m8M"') == four
    with pytest.raises(InvalidInputError, match=r"has 'H'.*column 16"):
        parse('progressions ~ "I H"')


def test_parentheses_alone_are_no_depth():
    assert parse("(" * 3_000 + "a = 1" + ")" * 3_000) == Equals("a", 1)
