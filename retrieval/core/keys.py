"""Musical keys: one spelling, and their place on the Camelot wheel."""

from __future__ import annotations

import re
from dataclasses import dataclass

TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
"""The one spelling of each pitch class; what is written otherwise is brought to it."""

MODES = ("major", "minor")

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "b": -1}
_NAME = re.compile(
    r"([A-Ga-g])\s*(sharp|flat|#|♯|b|♭)?\s*-?\s*(major|maj|dur|minor|min|moll|m|)", re.IGNORECASE
)
_CAMELOT = re.compile(r"(1[0-2]|[1-9])\s*([AB])", re.IGNORECASE)
_OPEN_KEY = re.compile(r"(1[0-2]|[1-9])\s*([dm])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Key:
    """A major or minor key.

    Attributes:
        tonic: Pitch class of its first degree, 0 (C) to 11 (B).
        minor: Whether it is minor.
    """

    tonic: int
    minor: bool = False

    @property
    def name(self) -> str:
        """Its first degree: one of ``TONICS``."""
        return TONICS[self.tonic]

    @property
    def mode(self) -> str:
        """One of ``MODES``."""
        return MODES[self.minor]

    @property
    def camelot(self) -> str:
        """Its hour on the Camelot wheel, ``8B`` for C major, ``8A`` for A minor.

        Hours are fifths; a key and its relative share one.
        """
        major = (self.tonic + 3) % 12 if self.minor else self.tonic
        return f"{(major * 7 + 7) % 12 + 1}{'A' if self.minor else 'B'}"

    @property
    def relative(self) -> Key:
        """The key of the other mode with the same notes: A minor of C major."""
        return Key((self.tonic + (3 if self.minor else 9)) % 12, not self.minor)

    @property
    def neighbours(self) -> tuple[Key, ...]:
        """What mixes with it on the Camelot wheel: itself, its relative, and both next hours."""
        below, above = (Key((self.tonic + fifth) % 12, self.minor) for fifth in (5, 7))
        return self, self.relative, below, above

    def __str__(self) -> str:
        return f"{self.name} {self.mode}"


def parse_key(text: str) -> Key | None:
    """A key as people and programs write it, or None if it is none.

    ``A minor``, ``Am``, ``a-moll``, ``F#maj``, ``Db``, ``E flat major``, Camelot's ``8A`` and Open
    Key's ``1m``. A tonic alone is major, unless it is a small letter, as musicians write minor.
    """
    text = text.strip()
    if found := _CAMELOT.fullmatch(text):
        return _on_wheel(int(found[1]) - 8, minor=found[2] in "Aa")
    if found := _OPEN_KEY.fullmatch(text):
        return _on_wheel(int(found[1]) - 1, minor=found[2] in "Mm")
    if not (found := _NAME.fullmatch(text)):
        return None
    letter, mode = found[1], found[3]
    # A capital M is major, a small m is minor.
    minor = mode.lower() in {"minor", "min", "moll"} or mode == "m"
    if not mode:
        minor = letter.islower()
    return Key(_pitch_class(found), minor)


def parse_tonic(text: str) -> int | None:
    """The pitch class of a capital letter without a mode, such as ``A#``; None for all else."""
    found = _NAME.fullmatch(text.strip())
    if found is None or found[3] or found[1].islower():
        return None
    return _pitch_class(found)


def _pitch_class(found: re.Match[str]) -> int:
    accidental = (found[2] or "").lower()
    sign = {"sharp": "#", "♯": "#", "flat": "b", "♭": "b"}.get(accidental, accidental)
    return (_STEPS[found[1].upper()] + _ACCIDENTALS[sign]) % 12


def _on_wheel(fifths: int, *, minor: bool) -> Key:
    return Key((fifths * 7 + (9 if minor else 0)) % 12, minor)
