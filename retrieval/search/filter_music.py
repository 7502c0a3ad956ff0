"""What filters know of music: octaves of tempo, keys in any spelling, progressions in any key.

Each rule writes a question out in the plain conditions of ``retrieval.core.filters``.
"""

from __future__ import annotations

from retrieval.core.errors import InvalidInputError
from retrieval.core.filters import All, Any, AnyOf, Equals, Filter, Range
from retrieval.core.keys import TONICS, Key, parse_key, parse_tonic
from retrieval.core.payload import Scalar
from retrieval.core.progressions import (
    PROGRESSIONS,
    parse_chord,
    parse_progression,
    wanted_tokens,
)

TOLERANCE = 0.04
"""Of a tempo without a range, as in evaluations of tempo (Gouyon et al., "An experimental
comparison of audio tempo induction algorithms", IEEE TASLP 14(5), 2006)."""
SLOWEST, FASTEST = 1.0, 1_000.0
"""Beats per minute that can be asked for."""

_KEYS = ("key", "camelot", "key_measured")
_CHORDS = "chords"
_BY_CHORDS = (PROGRESSIONS, _CHORDS, "progression")


def near(field: str, low: float, high: float | None = None) -> Filter:
    """``bpm ~ 118..124`` and ``bpm ~ 120``: a tempo, its half or its double.

    Raises:
        InvalidInputError: INVALID_FILTER for another field than ``bpm``, for bounds in the wrong
            order, and for what is no tempo.
    """
    if field != "bpm":
        exact = f"= {low:g}" if high is None else f"in {low:g}..{high:g}"
        raise _bad(
            f"expected a string in quotes; only bpm may be near a number, write: {field} {exact}"
        )
    if high is None:
        low, high = low * (1.0 - TOLERANCE), low * (1.0 + TOLERANCE)
    if high < low:
        raise _bad(f"the lower tempo stands first: bpm ~ {high:g}..{low:g}")
    if low < SLOWEST or high > FASTEST:
        raise _bad(f"a tempo lies between {SLOWEST:g} and {FASTEST:g} beats per minute")
    return Any(tuple(Range("bpm", gte=low * by, lte=high * by) for by in (1, 0.5, 2)))


def spelt(field: str, value: Scalar) -> tuple[str, Scalar]:
    """The field and value to compare where a field is compared with a value.

    Keys and chords are brought to the spelling that libraries have. A key with its mode is compared
    by its hour on the Camelot wheel, which says both; a tonic alone by ``key``, in either mode.

    Raises:
        InvalidInputError: INVALID_FILTER for what is no key where one is asked for, or no chord.
    """
    if not isinstance(value, str):
        return field, value
    if field == _CHORDS:
        chord = parse_chord(value)
        if chord is None:
            raise _bad(
                f'{value[:20]!r} is no chord: write a triad, such as "Bb" or "F#m"; several in a '
                'row: chords ~ "C G Am F"'
            )
        return field, chord.name
    if field not in _KEYS:
        return field, value
    if field == "key" and (tonic := parse_tonic(value)) is not None:
        return field, TONICS[tonic]
    key = _key(value)
    return (field, str(key)) if field == "key_measured" else ("camelot", key.camelot)


def mixing(text: str) -> Filter:
    """``key mixes with "8A"``: the neighbours of a key on the Camelot wheel, and itself.

    Raises:
        InvalidInputError: INVALID_FILTER for what is no key.
    """
    return AnyOf("camelot", tuple(key.camelot for key in _key(text).neighbours))


def relative(text: str) -> Filter:
    """``key relative of "Am"``.

    Raises:
        InvalidInputError: INVALID_FILTER for what is no key.
    """
    return Equals("camelot", _key(text).relative.camelot)


def matching(field: str, text: str) -> Filter | None:
    """``progressions ~ "I V vi IV"``: every token of it; None where ``~`` asks for words.

    Raises:
        InvalidInputError: INVALID_FILTER for what is no progression, and where a key or a tempo is
            asked for as words.
    """
    if field in _BY_CHORDS:
        wanted = wanted_tokens(parse_progression(text))
        tokens = tuple(Equals(PROGRESSIONS, token) for token in wanted)
        return tokens[0] if len(tokens) == 1 else All(tokens)
    if field == "bpm":
        raise _bad("a tempo stands without quotes: bpm ~ 120 or bpm ~ 118..124")
    if field in _KEYS:
        key = _key(text)
        raise _bad(f'write key = "{key}", key mixes with "{key}" or key relative of "{key}"')
    return None


def _key(text: str) -> Key:
    key = parse_key(text)
    if key is None:
        raise _bad(f'{text[:20]!r} is no key: write for example "Bb major", "F#m" or "6A"')
    return key


def _bad(problem: str) -> InvalidInputError:
    return InvalidInputError(problem, reason="INVALID_FILTER")
