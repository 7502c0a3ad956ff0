"""Scales, progressions and the pitches that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

SCALES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "major": (0, 2, 4, 5, 7, 9, 11),
        "minor": (0, 2, 3, 5, 7, 8, 10),
        "dorian": (0, 2, 3, 5, 7, 9, 10),
        "phrygian": (0, 1, 3, 5, 7, 8, 10),
        "lydian": (0, 2, 4, 6, 7, 9, 11),
        "mixolydian": (0, 2, 4, 5, 7, 9, 10),
        "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
        "double harmonic": (0, 1, 4, 5, 7, 8, 11),
        "pentatonic": (0, 2, 4, 7, 9),
        "blues": (0, 3, 5, 6, 7, 10),
    }
)
"""Semitones above the tonic of what tunes are made of."""

_HARMONY = {"pentatonic": "major", "blues": "mixolydian"}
_MAJOR = ((0, 4, 5, 3), (0, 3, 4, 0), (0, 5, 3, 4), (0, 3, 0, 4), (0, 2, 3, 4), (0, 1, 4, 0))
_MINOR = ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 6), (0, 5, 3, 4), (0, 3, 6, 2), (0, 0, 3, 4))
_MODAL = ((0, 6, 0, 6), (0, 3, 0, 3), (0, 6, 3, 0), (0, 1, 0, 1), (0, 0, 6, 0))
_JAZZ = ((1, 4, 0, 0), (0, 5, 1, 4), (1, 4, 0, 5), (3, 6, 2, 5))
_BLUES = ((0, 0, 0, 0, 3, 3, 0, 0, 4, 3, 0, 4),)


def is_minor(mode: str) -> bool:
    """Whether the third above the tonic is the small one."""
    return 3 in SCALES[mode] and 4 not in SCALES[mode]


def progression(mode: str, rng: np.random.Generator, *, jazz: bool = False) -> tuple[int, ...]:
    """Degrees of the scale that bars are built on, to be repeated."""
    choices: tuple[tuple[int, ...], ...]
    if mode == "blues":
        choices = _BLUES
    elif jazz and mode in {"major", "minor", "dorian"} and rng.random() < 0.7:
        choices = _JAZZ
    elif mode in {"major", "lydian", "pentatonic"}:
        choices = _MAJOR
    elif mode in {"minor", "harmonic minor"}:
        choices = _MINOR
    else:
        choices = _MODAL
    return choices[int(rng.integers(len(choices)))]


def pitch(tonic: int, mode: str, degree: int, near: int) -> int:
    """MIDI number of a degree of the scale.

    Args:
        tonic: Pitch class, 0 is C.
        mode: Name in ``SCALES``.
        degree: 0 is the tonic; negative ones lie below.
        near: MIDI number; degree 0 is the tonic at most a tritone away from it.
    """
    scale = SCALES[mode]
    root = near + (tonic - near + 6) % 12 - 6
    octave, step = divmod(degree, len(scale))
    return root + 12 * octave + scale[step]


def chord(tonic: int, mode: str, degree: int, near: int, notes: int) -> tuple[int, ...]:
    """MIDI numbers of the chord in thirds on a degree, inverted so that it lies around ``near``."""
    parent = _HARMONY.get(mode, mode)
    found = []
    for third in range(notes):
        tone = pitch(tonic, parent, degree + 2 * third, near)
        found.append(near + (tone - near + 6) % 12 - 6)
    return tuple(sorted(found))


def root(tonic: int, mode: str, degree: int, near: int) -> int:
    """MIDI number of the root of the chord on a degree, at most a tritone from ``near``."""
    tone = pitch(tonic, _HARMONY.get(mode, mode), degree, near)
    return near + (tone - near + 6) % 12 - 6
