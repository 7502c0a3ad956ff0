"""Pitch classes over time: what key and chords are read from.

Approximate transcription by non-negative least squares after Mauch and Dixon ("Approximate note
transcription for the improved identification of difficult chords", ISMIR 2010): a log-frequency
spectrum, levelled, is explained by notes with geometrically falling partials, and the notes are
folded into pitch classes, once for the bass and once for all above it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from retrieval.describe.pictures import FINE_HIGHEST, FINE_HOP, FINE_SIZE, fine_spectrogram
from retrieval.describe.protocol import RATE, Sound

Array = NDArray[np.float32]

FRAME_RATE = RATE / FINE_HOP
"""Frames of ``Chroma`` a second: 10.8."""

LOWEST = 24
"""MIDI number of the lowest note, C1."""
NOTES = 84
"""Notes that may sound, C1 to B7."""
STEPS = 3
"""Spectral steps of a semitone."""
_BINS = int(FINE_HIGHEST * FINE_SIZE / RATE) + 1
_PARTIALS, _FALL = 16, 0.7
_ROUNDS = 30
_TINY = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Chroma:
    """Strength of the twelve pitch classes, C first, in frames of 93 ms.

    Attributes:
        treble: (frames, 12), all but the lowest notes, >= 0, in no unit.
        bass: (frames, 12), the lowest notes.
        tuning: Cents that the music lies above A = 440 Hz, -50..50.
        tuned: How much the partials agree on that, 0 (as often on any other) to 1.
        tonality: How much of the sound is notes, 0 (noise, silence) to 1.
    """

    treble: Array
    bass: Array
    tuning: float
    tuned: float
    tonality: float


def chroma(sound: Sound) -> Chroma:
    """Pitch classes of a sound; frame ``i`` is centred at ``i / FRAME_RATE`` seconds."""
    # Nobody else looks at it, and it is as large as the sound.
    magnitude = fine_spectrogram(sound)
    tuning, tuned = _tuning(magnitude)
    levelled = _levelled(magnitude @ _kernel(round(tuning)))
    notes = _notes(levelled)
    tonality = float(np.minimum(notes @ _dictionary(), levelled).sum() / (levelled.sum() + _TINY))
    treble, bass = _ranges()
    return Chroma(notes @ treble, notes @ bass, tuning, tuned, tonality)


def _tuning(magnitude: Array) -> tuple[float, float]:
    """Cents above 440 Hz: the circular mean of the spectral peaks' deviations from the semitones.

    And the length of that mean, 0..1.

    Peaks by parabolic interpolation of the logarithm (Smith and Serra, PARSHL, 1987).
    """
    low, high = 30, 750
    part = np.log(magnitude[:, low - 1 : high + 1] + 1e-6)
    left, middle, right = part[:, :-2], part[:, 1:-1], part[:, 2:]
    floor = np.log(magnitude.max(axis=1, keepdims=True) + 1e-6) - 3.5
    row, column = np.nonzero((middle > left) & (middle >= right) & (middle > floor))
    if not len(row):
        return 0.0, 0.0
    a, b, c = left[row, column], middle[row, column], right[row, column]
    place = column + low + 0.5 * (a - c) / np.minimum(a - 2 * b + c, -1e-6)
    semitones = 12.0 * np.log2(place * RATE / FINE_SIZE / 440.0)
    weight = magnitude[row, column + low]
    mean = np.sum(weight * np.exp(2j * np.pi * semitones)) / np.sum(weight)
    return float(100.0 * np.angle(mean) / (2 * np.pi)), float(np.abs(mean))


@cache
def _kernel(cents: int) -> Array:
    """Bins to log-frequency steps, shape (_BINS, NOTES * STEPS + 2): raised cosines that overlap.

    One wide as two steps, and at low frequencies as two bins at least.
    """
    hertz = np.arange(1, _BINS) * RATE / FINE_SIZE
    place = STEPS * (69 - LOWEST + cents / -100.0 + 12.0 * np.log2(hertz / 440.0))
    width = np.maximum(1.0, STEPS * 12.0 * np.log2(1.0 + 1.0 / np.arange(1, _BINS)))
    steps = np.arange(-1, NOTES * STEPS + 1)
    distance = np.abs(place[:, None] - steps) / width[:, None]
    kernel = np.zeros((_BINS, len(steps)), dtype=np.float32)
    kernel[1:] = np.where(distance < 1.0, 0.5 + 0.5 * np.cos(np.pi * distance), 0.0)
    kernel /= np.sqrt(np.sum(kernel**2, axis=0, keepdims=True)) + _TINY
    return kernel


def _levelled(steps: Array) -> Array:
    """What stands out of an octave's surroundings, in units of their spread; loud frames more.

    Subtracting the running mean and dividing by the running deviation are Mauch and Dixon's.
    """
    span = 12 * STEPS
    edges = ((0, 0), (span // 2 + 1, span // 2 - 1))

    def running(rows: Array) -> NDArray[np.float64]:
        total = np.cumsum(np.pad(rows, edges, mode="reflect"), axis=1, dtype=np.float64)
        return np.asarray((total[:, span:] - total[:, :-span]) / span)

    mean = running(steps)
    spread = np.sqrt(np.maximum(running(np.square(steps)) - np.square(mean), 0.0))
    floor = 0.01 * float(spread.mean()) + _TINY
    return np.asarray(np.maximum(steps - mean, 0.0) / (spread + floor), dtype=np.float32)


@cache
def _dictionary() -> Array:
    """Notes as spectra, shape (NOTES, NOTES * STEPS + 2), of unit length."""
    steps = np.arange(-1, NOTES * STEPS + 1)
    partials = np.arange(1, _PARTIALS + 1)
    places = STEPS * (np.arange(NOTES)[:, None] + 12.0 * np.log2(partials))
    distance = np.abs(places[:, :, None] - steps)
    shapes = np.where(distance < 1.5, 0.5 + 0.5 * np.cos(np.pi * distance / 1.5), 0.0)
    rows = np.einsum("p,nps->ns", _FALL ** (partials - 1.0), shapes)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def _notes(levelled: Array) -> Array:
    """How strongly each note sounds, shape (frames, NOTES), >= 0.

    Multiplicative updates for non-negative least squares (Lee and Seung, NIPS 2001).
    """
    dictionary = _dictionary()
    wanted = levelled @ dictionary.T
    gram = dictionary @ dictionary.T
    notes = wanted.copy()
    for _ in range(_ROUNDS):
        notes *= wanted / (notes @ gram + _TINY)
    return notes


@cache
def _ranges() -> tuple[Array, Array]:
    """Notes to pitch classes for treble and bass; both fade in and out over an octave."""
    pitch = np.arange(LOWEST, LOWEST + NOTES)
    fold = np.zeros((NOTES, 12), dtype=np.float32)
    fold[np.arange(NOTES), pitch % 12] = 1.0
    treble = np.interp(pitch, (43, 55, 84, 103), (0.0, 1.0, 1.0, 0.0))
    bass = np.interp(pitch, (24, 28, 43, 58), (0.5, 1.0, 1.0, 0.0))
    return (
        np.asarray(fold * treble[:, None], dtype=np.float32),
        np.asarray(fold * bass[:, None], dtype=np.float32),
    )
