"""Keys as people write them, and the Camelot wheel."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.core.keys import TONICS, Key, parse_key

KEYS = st.builds(Key, st.integers(0, 11), st.booleans())


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Am", "A minor"),
        ("a-moll", "A minor"),
        ("a", "A minor"),
        ("A", "A major"),
        ("AM", "A major"),
        ("Bbm", "Bb minor"),
        ("bb", "Bb minor"),
        ("B flat major", "Bb major"),
        ("B♭ major", "Bb major"),
        ("F♯ minor", "F# minor"),
        ("Gbmaj", "F# major"),
        ("Cb", "B major"),
        ("B#m", "C minor"),
        ("8A", "A minor"),
        ("8B", "C major"),
        ("12b", "E major"),
        ("1m", "A minor"),
        ("1d", "C major"),
    ],
)
def test_it_reads_keys_as_people_write_them(text: str, key: str) -> None:
    assert str(parse_key(text)) == key


@pytest.mark.parametrize("text", ["", "o", "H", "13A", "0A", "A minor 7", "off key", "Cmaj7"])
def test_what_is_no_key_is_none(text: str) -> None:
    assert parse_key(text) is None


@given(KEYS)
def test_every_key_is_read_from_its_name_and_from_its_hour(key: Key) -> None:
    assert parse_key(str(key)) == key
    assert parse_key(key.camelot) == key


@given(KEYS)
def test_a_relative_shares_the_hour_and_a_fifth_is_the_next(key: Key) -> None:
    relative = Key((key.tonic + (3 if key.minor else 9)) % 12, not key.minor)
    assert relative.camelot[:-1] == key.camelot[:-1]
    fifth = Key((key.tonic + 7) % 12, key.minor)
    assert int(fifth.camelot[:-1]) == int(key.camelot[:-1]) % 12 + 1


def test_the_wheel_is_that_of_djs() -> None:
    hours = {name: Key(i).camelot for i, name in enumerate(TONICS)}
    assert hours["C"] == "8B" and hours["E"] == "12B" and hours["B"] == "1B" and hours["F"] == "7B"
    assert Key(9, minor=True).camelot == "8A" and Key(8, minor=True).camelot == "1A"
