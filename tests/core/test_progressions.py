"""Progressions: found by their tokens in any key, and only they."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.core.errors import InvalidInputError
from retrieval.core.keys import Key
from retrieval.core.progressions import (
    Chord,
    collapsed,
    parse_progression,
    progression_tokens,
    wanted_tokens,
)

CHORD = st.builds(Chord, st.integers(0, 11), st.booleans())
PROGRESSION = st.lists(CHORD, min_size=2, max_size=12).map(collapsed).filter(lambda p: len(p) > 1)


def moved(chords: tuple[Chord, ...], semitones: int) -> tuple[Chord, ...]:
    return tuple(Chord((chord.root + semitones) % 12, chord.minor) for chord in chords)


@given(PROGRESSION, PROGRESSION, PROGRESSION, st.integers(0, 11))
def test_a_track_that_has_a_progression_in_any_key_carries_its_tokens(
    wanted: tuple[Chord, ...], before: tuple[Chord, ...], after: tuple[Chord, ...], semitones: int
) -> None:
    run = collapsed((*before, *moved(wanted, semitones), *after))
    assert set(wanted_tokens(wanted)) <= set(progression_tokens([run]))
    assert progression_tokens([moved(run, semitones)]) == progression_tokens([run])


@given(PROGRESSION, PROGRESSION)
def test_short_progressions_have_the_token_of_no_other(
    first: tuple[Chord, ...], second: tuple[Chord, ...]
) -> None:
    first, second = first[:4], second[:4]
    same = len(first) == len(second) and any(moved(first, k) == second for k in range(12))
    assert (wanted_tokens(first) == wanted_tokens(second)) == same


def test_the_ways_to_write_one_progression() -> None:
    written = (
        "I–V–vi–IV",
        "I V vi IV",
        "C G Am F",
        "D, A, Bm, G",
        "I | V7 | vi | IV",
        "Eb-Bb-Cm-Ab",
    )
    assert {wanted_tokens(parse_progression(text)) for text in written} == {("M7M2m8M",)}
    assert wanted_tokens(parse_progression("i bVI bIII bVII")) == ("m8M7M7M",)
    assert wanted_tokens(parse_progression("ii7 V7 Imaj7")) == ("m5M5M",)


def test_longer_progressions_are_tokens_that_overlap() -> None:
    blues = parse_progression("I IV I V IV I")
    assert wanted_tokens(blues) == ("M5M7M7M", "M7M7M10M", "M7M10M7M")


@pytest.mark.parametrize(
    "text", ["", "I", "I I I", "I H V", "vii° I", "c g", "1 5 6 4", "I V " * 20, "-", "I\0V"]
)
def test_what_is_no_progression_is_told(text: str) -> None:
    with pytest.raises(InvalidInputError, match="progression") as refused:
        parse_progression(text)
    assert refused.value.reason == "INVALID_FILTER"


@given(st.text(max_size=40))
def test_any_text_is_a_progression_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidInputError):
        assert len(parse_progression(text)) >= 2


def test_nothing_leads_over_a_gap_and_tokens_are_bounded() -> None:
    first, second = Chord(0, False), Chord(7, False)
    assert progression_tokens([(first,), (second,)]) == ()
    chords = [Chord((7 * n * n + n // 3) % 12, n % 3 == 0) for n in range(3_000)]
    tokens = progression_tokens([collapsed(chords)])
    assert len(tokens) <= 256 and len(set(tokens)) == len(tokens)


def test_the_most_frequent_are_kept() -> None:
    loop = parse_progression("I V vi IV") * 30
    strays = [Chord((5 * n) % 12, n % 5 == 0) for n in range(200)]
    assert "M7M2m8M" in progression_tokens([collapsed((*strays, *loop))])


def test_degrees_are_seen_from_the_key() -> None:
    assert [c.degree(Key(9, True)) for c in parse_progression("Am F C G")] == [
        *("i", "bVI", "bIII", "bVII")
    ]
    assert Chord(6, True).degree(Key(0)) == "#iv"
    assert Chord(10, True).name == "Bbm"
