"""Tempo, keys and progressions in filters, against what musicians mean by them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.core.errors import InvalidInputError
from retrieval.core.filters import Any, AnyOf, Equals, NoneOf, Not, Range
from retrieval.core.keys import TONICS, Key
from retrieval.core.payload import STANDARD_FIELDS, Field, FieldType
from retrieval.core.progressions import Chord, collapsed, progression_tokens
from retrieval.search.filter_grammar import parse
from tests.store.oracle import holds

CHORDS = [Field(name, FieldType.KEYWORD) for name in ("progressions", "chords", "key_measured")]
FIELDS = {field.name: field for field in (*STANDARD_FIELDS, *CHORDS)}
KEYS = st.builds(Key, st.integers(0, 11), st.booleans())
TEMPI = st.integers(300, 3_000).map(lambda tenths: tenths / 10)
SPELLINGS = {
    **{name: (name,) for name in TONICS},
    **{"C#": ("C#", "Db", "C♯", "D flat"), "Eb": ("Eb", "D#", "E♭"), "F#": ("F#", "Gb")},
    **{"Ab": ("Ab", "G#"), "Bb": ("Bb", "A#", "B♭", "A sharp"), "B": ("B", "Cb")},
}


def passes(text: str, **payload: object) -> bool:
    return holds(parse(text), "track", payload, FIELDS)


def of(key: Key) -> dict[str, str]:
    return {"key": key.name, "mode": key.mode, "camelot": key.camelot, "key_measured": str(key)}


@st.composite
def written(draw: st.DrawFn, key: Key) -> str:
    """A key as one of its spellings."""
    tonic = draw(st.sampled_from(SPELLINGS[key.name]))
    modes = (" minor", "m", "min", "-moll") if key.minor else (" major", "M", "maj", "-dur")
    hour = f"{(int(key.camelot[:-1]) + 4) % 12 + 1}{'m' if key.minor else 'd'}"  # Open Key
    others = st.sampled_from((key.camelot, key.camelot.lower(), hour))
    return draw(st.sampled_from(modes).map(lambda mode: tonic + mode) | others)


@given(TEMPI, TEMPI, TEMPI)
def test_a_tempo_is_found_in_its_octaves(bpm: float, low: float, high: float) -> None:
    low, high = sorted((low, high))
    octave = any(low <= bpm * by <= high for by in (1.0, 2.0, 0.5))
    text = f"bpm ~ {low}..{high}"
    assert passes(text, bpm=bpm) == octave
    assert not passes(text)
    assert passes(f"bpm in {low}..{high}", bpm=bpm) == (low <= bpm <= high)


@given(TEMPI, st.sampled_from((0.5, 1.0, 2.0)), st.integers(-60, 60))
def test_a_tempo_alone_is_four_percent_wide(bpm: float, octave: float, permille: int) -> None:
    if abs(permille) != 40:
        near = bpm * octave * (1 + permille / 1_000)
        assert passes(f"bpm ~ {bpm}", bpm=near) == (abs(permille) < 40)


@given(KEYS, KEYS, st.data())
def test_a_key_is_found_by_any_spelling_of_it(key: Key, other: Key, data: st.DataObject) -> None:
    text = json.dumps(data.draw(written(key)))
    for field in ("key", "camelot", "key_measured"):
        assert passes(f"{field} = {text}", **of(other)) == (key == other)
        assert passes(f"{field} != {text}", **of(other)) == (key != other)
    assert passes(f'key in ("C", {text})', **of(other)) == (other in {key} or other.tonic == 0)
    assert passes(f'key not in ("C", {text})', **of(other)) == (other != key and other.tonic != 0)
    assert passes(f"key != {text}")


@given(KEYS, st.data())
def test_a_tonic_alone_is_of_either_mode(key: Key, data: st.DataObject) -> None:
    tonic = data.draw(st.sampled_from(SPELLINGS[key.name]))
    assert passes(f'key = "{tonic}"', **of(key)) and passes(f'key in ("{tonic}")', **of(key))
    assert passes(f'key = "{tonic}" and mode = "{key.mode}"', **of(key))
    assert not passes(f'key != "{tonic}"', **of(key))


def notes(key: Key) -> set[int]:
    steps = (0, 2, 3, 5, 7, 8, 10) if key.minor else (0, 2, 4, 5, 7, 9, 11)
    return {(key.tonic + step) % 12 for step in steps}


@given(KEYS, KEYS, st.data())
def test_keys_mix_that_share_their_notes(key: Key, other: Key, data: st.DataObject) -> None:
    """All seven of them, or all but one and the mode."""
    text = json.dumps(data.draw(written(key)))
    shared = len(notes(key) & notes(other))
    mixes = shared == 7 or (shared == 6 and key.minor == other.minor)
    assert passes(f"key mixes with {text}", **of(other)) == mixes
    assert passes(f"key relative of {text}", **of(other)) == (shared == 7 and key != other)


CHORD = st.builds(Chord, st.integers(0, 11), st.booleans())
RUNS = st.lists(CHORD, min_size=2, max_size=9).map(collapsed).filter(lambda run: len(run) > 1)


@given(RUNS, RUNS, RUNS, st.integers(0, 11))
def test_progressions_are_found_in_any_key_by_numerals_and_by_chords(
    wanted: tuple[Chord, ...], before: tuple[Chord, ...], after: tuple[Chord, ...], up: int
) -> None:
    moved = tuple(Chord((c.root + up) % 12, c.minor) for c in wanted)
    track = progression_tokens([collapsed((*before, *moved, *after))])
    numerals = " ".join(chord.degree(Key(0)) for chord in wanted)
    for text in (numerals, "–".join(chord.name for chord in wanted)):
        for field in ("progressions", "progression", "chords"):
            assert passes(f'{field} ~ "{text}"', progressions=track)
            assert passes(f'not {field} ~ "{text}"')


@pytest.mark.parametrize(
    ("text", "node"),
    [
        (
            "bpm ~ 118..124",
            Any(
                (
                    Range("bpm", gte=118, lte=124),
                    Range("bpm", gte=59, lte=62),
                    Range("bpm", gte=236, lte=248),
                )
            ),
        ),
        ('key = "Gb"', Equals("key", "F#")),
        ('key = "g"', Equals("camelot", "6A")),
        ('key in ("Am", "8B")', AnyOf("camelot", ("8A", "8B"))),
        ('KEY MIXES WITH "1A"', AnyOf("camelot", ("1A", "1B", "12A", "2A"))),
        ('mixes  with "F"', AnyOf("camelot", ("7B", "7A", "6B", "8B"))),
        ('not relative of "Am"', Not(Equals("camelot", "8B"))),
        ('chords not in ("A#m", "Db7")', NoneOf("chords", ("Bbm", "C#"))),
        ("mixes = 1 and relative = 2 and key = 3", None),
        ('`mixes` in ("with")', AnyOf("mixes", ("with",))),
    ],
)
def test_what_is_written_out(text: str, node: object) -> None:
    found = parse(text)
    assert node is None or found == node


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("year ~ 1970..1980", 8, "year in 1970..1980"),
        ("bpm ~ 124..118", 7, "bpm ~ 118..124"),
        ("bpm ~ 0", 7, "between 1 and 1000"),
        ("bpm ~ 90..1e300", 7, "between 1 and 1000"),
        ('bpm ~ "120"', 7, "without quotes"),
        ('bpm > 1 and key = "H major"', 19, '"Bb major", "F#m" or "6A"'),
        ('key in ("Am", "13A")', 15, "'13A' is no key"),
        ('key mixes with "loud"', 16, "is no key"),
        ('key relative of ""', 17, "is no key"),
        ('key ~ "Bbm"', 7, 'key mixes with "Bb minor"'),
        ('key mixes "8A"', 5, 'write: key mixes with "8A"'),
        ('camelot relative of "8A"', 9, 'write: key relative of "Am"'),
        ('chords = "I V"', 10, 'chords ~ "C G Am F"'),
        ('chords ~ "I"', 10, "needs 2 to 32 chords"),
    ],
)
def test_what_is_wrong_and_where(text: str, column: int, says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse(text)
    assert says in caught.value.message
    assert caught.value.metadata["column"] == str(column)
    assert caught.value.reason == "INVALID_FILTER"


@given(
    st.sampled_from(("key = ", "key mixes with ", "key relative of ", "chords ~ ", "bpm ~ ")),
    st.text(max_size=12).map(json.dumps) | st.floats(allow_nan=False).map(repr),
)
def test_anything_else_is_a_filter_or_a_clear_error(start: str, value: str) -> None:
    try:
        parse(start + value)
    except InvalidInputError as error:
        assert error.reason == "INVALID_FILTER" and "column" in error.metadata
