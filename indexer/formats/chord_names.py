"""Chords by name: what labels of many tools mean, in one spelling.

Names follow Harte et al. ("Symbolic representation of musical chords", ISMIR 2005), with sharps,
and a major triad by its root alone: ``C``, ``F#:min7``, ``N`` for no chord.
"""

from __future__ import annotations

import re

ROOTS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
QUALITIES = (
    *("maj", "min", "dim", "aug", "sus2", "sus4"),
    *("7", "maj7", "min7", "maj6", "min6", "dim7", "hdim7"),
)
"""Thirteen, so that there are 12 × 13 + 1 = 157 names."""
NO_CHORD = "N"

_NAME = re.compile(
    r"(?P<root>[A-G](?:#|b|♯|♭){0,2}):?(?P<quality>[a-zA-Z0-9+°ø^-]*)(?:\([^()]*\))?(?:/.+)?\Z"
)
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"#": 1, "♯": 1, "b": -1, "♭": -1}
# What tools call the thirteen, and where larger chords go: to the nearest that they contain.
_SAME = {
    "maj": ("", "M", "major", "5", "1"),
    "min": ("m", "minor", "mi", "-", "minmaj7", "mmaj7", "mM7"),
    "dim": ("o", "°", "diminished"),
    "aug": ("+", "augmented"),
    "sus4": ("sus", "4", "7sus4"),
    "sus2": ("2",),
    "7": ("dom7", "dom", "9", "11", "13"),
    "maj7": ("M7", "ma7", "^7", "maj9", "maj11", "maj13"),
    "min7": ("m7", "mi7", "-7", "min9", "m9", "min11", "m11", "min13", "m13"),
    "maj6": ("6", "M6", "69", "maj69"),
    "min6": ("m6", "mi6", "-6", "min69", "m69"),
    "dim7": ("o7", "°7"),
    "hdim7": ("hdim", "m7b5", "min7b5", "ø", "ø7"),
}
_QUALITY = {name: name for name in QUALITIES} | {
    alias: name for name, aliases in _SAME.items() for alias in aliases
}


def chord_names() -> tuple[str, ...]:
    """All 157 names: ``N``, then per root the thirteen qualities."""
    return (NO_CHORD, *(_joined(root, quality) for root in ROOTS for quality in QUALITIES))


def normal_chord(label: str) -> str | None:
    """The one spelling of a chord label, or None if it is none.

    ``min7`` and ``m7``, ``min6`` and ``m6``, ``sus`` and ``sus4`` are the same; flats become
    sharps, a bass note after a slash is dropped, extended chords become the seventh they contain,
    and ``X`` (a chord without a name) becomes ``N``.
    """
    label = label.strip()
    if label in {"N", "X", "N.C.", "NC", "None", "n"}:
        return NO_CHORD
    match = _NAME.match(label)
    if match is None or match["quality"] not in _QUALITY:
        return None
    root = match["root"]
    step = _STEPS[root[0]] + sum(_ACCIDENTALS[mark] for mark in root[1:])
    return _joined(ROOTS[step % 12], _QUALITY[match["quality"]])


def _joined(root: str, quality: str) -> str:
    return root if quality == "maj" else f"{root}:{quality}"
