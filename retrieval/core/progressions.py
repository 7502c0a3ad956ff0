"""Chord progressions: written ones, and the tokens by which they are found in any key.

A token spells two to four chords that follow one another, by the quality of each and the semitones
up from its root to the next one's: ``M7M2m8M`` is I–V–vi–IV, as well as C–G–Am–F and D–A–Bm–G. A
track carries the tokens of its chords, so that a filter for a token, or for several at once, finds
a progression without knowing its key, and without believing a key that was found.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retrieval.core.errors import InvalidInputError
from retrieval.core.keys import TONICS, Key

PROGRESSIONS = "progressions"
"""The payload field that carries the tokens."""
LONGEST = 4
"""Chords of a token at most; longer progressions are several tokens that overlap."""
KEPT = {2: 48, 3: 80, 4: 128}
"""Tokens of each length that a track carries at most, the most frequent."""
MOST_CHORDS = 32
"""Of a progression to search for."""

_DEGREES = ("I", "bII", "II", "bIII", "III", "IV", "#IV", "V", "bVI", "VI", "bVII", "VII")
_SCALE = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SIGNS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_ROMAN = re.compile(r"([#♯b♭]?)(VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)(7|maj7|M7)?\Z")
_NAMED = re.compile(r"([A-G])([#♯b♭]?):?(maj7|maj|M7|min7|min|m7|m|7|)\Z")
_BETWEEN = re.compile(r"[\s,;|>→–—-]+")


@dataclass(frozen=True, slots=True, order=True)
class Chord:
    """A major or minor triad.

    Attributes:
        root: Pitch class, 0 is C, or the tonic where no key is meant.
        minor: Whether its third is the small one.
    """

    root: int
    minor: bool

    @property
    def name(self) -> str:
        """Such as ``Bb`` or ``Gm``."""
        return TONICS[self.root] + ("m" if self.minor else "")

    def degree(self, key: Key) -> str:
        """Seen from a key, as a Roman numeral of its major scale: ``vi``, ``bVII``."""
        numeral = _DEGREES[(self.root - key.tonic) % 12]
        # The b of bVII is small already.
        return numeral.lower() if self.minor else numeral


def parse_progression(text: str) -> tuple[Chord, ...]:
    """A progression as musicians write it: ``I–V–vi–IV``, ``ii7 V7 I``, ``C G Am F``.

    Capital numerals are major, small ones minor; numerals count the major scale, so that the minor
    loop is ``i bVI bIII bVII``. Sevenths are taken for their triads.

    Raises:
        InvalidInputError: INVALID_FILTER for what is none, for less than two different chords
            in a row, and for more than 32.
    """
    words = [word for word in _BETWEEN.split(text.strip()) if word]
    chords = collapsed([_parsed(word, text) for word in words[: MOST_CHORDS + 1]])
    if not 2 <= len(chords) <= MOST_CHORDS:
        raise _bad(text, f"needs 2 to {MOST_CHORDS} chords, such as I–V–vi–IV or C G Am F")
    return chords


def parse_chord(text: str) -> Chord | None:
    """One chord by its name, ``A#m`` or ``Bb7``; None for numerals and what is none."""
    found = _NAMED.match(text.strip())
    return None if found is None else _named(found)


def wanted_tokens(chords: Sequence[Chord]) -> tuple[str, ...]:
    """The tokens that a track with this progression carries, all of them.

    Args:
        chords: At least two, no two alike in a row.
    """
    size = min(LONGEST, len(chords))
    grams = (chords[start : start + size] for start in range(len(chords) - size + 1))
    return tuple(dict.fromkeys(map(_token, grams)))


def progression_tokens(runs: Iterable[Sequence[Chord]]) -> tuple[str, ...]:
    """The tokens of a track, at most 256, short ones first, then the most frequent.

    Args:
        runs: Chords that follow one another, no two alike in a row; nothing leads from one run to
            the next.
    """
    counts: dict[int, Counter[str]] = {size: Counter() for size in KEPT}
    for run in runs:
        for size, counter in counts.items():
            counter.update(_token(run[at : at + size]) for at in range(len(run) - size + 1))
    return tuple(
        token for size, most in KEPT.items() for token, _ in counts[size].most_common(most)
    )


def collapsed(chords: Sequence[Chord]) -> tuple[Chord, ...]:
    """The same chords, each once where it comes several times in a row."""
    return tuple(
        chord for place, chord in enumerate(chords) if not place or chord != chords[place - 1]
    )


def _token(chords: Sequence[Chord]) -> str:
    parts = []
    for place, chord in enumerate(chords):
        if place:
            parts.append(str((chord.root - chords[place - 1].root) % 12))
        parts.append("m" if chord.minor else "M")
    return "".join(parts)


def _parsed(word: str, text: str) -> Chord:
    if found := _ROMAN.match(word):
        numeral = found[2]
        root = _SCALE[numeral.upper()] + _SIGNS[found[1]]
        return Chord(root % 12, numeral.islower())
    if found := _NAMED.match(word):
        return _named(found)
    raise _bad(text, f"has {word[:20]!r}: write numerals (I, vi, bVII) or triads (C, F#m, Bb)")


def _named(found: re.Match[str]) -> Chord:
    root = _LETTERS[found[1]] + _SIGNS[found[2]]
    return Chord(root % 12, found[3] in {"m", "min", "m7", "min7"})


def _bad(text: str, why: str) -> InvalidInputError:
    return InvalidInputError(f"progression {text[:80]!r} {why}", reason="INVALID_FILTER")
