"""A voice that sings vowels: harmonics of the note under the formants of the mouth.

Formant frequencies are the textbook averages of Peterson and Barney, "Control Methods Used in a
Study of the Vowels", JASA 24(2), 1952.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.training.parts import Line

Sound = NDArray[np.float32]

_VOWELS = np.array(
    [
        (270, 2290, 3010),
        (390, 1990, 2550),
        (530, 1840, 2480),
        (660, 1720, 2410),
        (730, 1090, 2440),
        (570, 840, 2410),
        (440, 1020, 2240),
        (300, 870, 2240),
        (640, 1190, 2390),
    ],
    dtype=np.float64,
)
_WIDTHS = np.array([80.0, 110.0, 160.0])
_CONTROL = 200
"""Control points a second, between which everything is interpolated."""


@dataclass(frozen=True, slots=True)
class _Singer:
    """Size of the mouth (1 is a woman's), vibrato as depth and Hz, and breath, 0..1."""

    size: float
    vibrato: tuple[float, float]
    breath: float


def sing(line: Line, frames: int, rate: int, rng: np.random.Generator) -> Sound:
    """A melody as one singer sings it, mono, about -1..1.

    Args:
        line: Notes in order; a singer sings one at a time.
        frames: Length in samples.
        rate: Samples per second.
        rng: Source of the singer's size, vibrato and words.
    """
    out = np.zeros(frames, dtype=np.float32)
    singer = _Singer(
        # A child's mouth is a fifth smaller than a woman's, a man's a sixth larger.
        size=float(rng.uniform(0.86, 1.22)),
        vibrato=(float(rng.uniform(0.0, 0.012)), float(rng.uniform(4.5, 6.5))),
        breath=float(rng.uniform(0.0, 0.08)),
    )
    previous: float | None = None
    for index, note in enumerate(line):
        end = line[index + 1].start if index + 1 < len(line) else note.end + 0.2
        length = min(note.end, end) - note.start
        start = int(note.start * rate)
        if length < 0.06 or start >= frames:
            continue
        hertz = 440.0 * 2.0 ** ((note.pitch - 69) / 12.0)
        t = np.linspace(0.0, length, max(4, int(length * _CONTROL)))
        glide = 0.0 if previous is None else np.log2(previous / hertz) * np.exp(-t / 0.03)
        depth, speed = singer.vibrato
        swing = depth * np.sin(2 * np.pi * speed * t) * np.clip(t / 0.3, 0, 1)
        wavering = 0.002 * rng.standard_normal(len(t))
        pitch = hertz * 2.0 ** (glide + swing + wavering)
        sound = _syllable(pitch, length, rate, singer, rng)
        previous = hertz
        stop = min(frames, start + len(sound))
        out[start:stop] += sound[: stop - start] * (note.velocity / 127.0)
    return out


def _syllable(
    pitch: NDArray[np.float64],
    length: float,
    rate: int,
    singer: _Singer,
    rng: np.random.Generator,
) -> Sound:
    """One note; ``pitch`` in Hz at the control points."""
    samples, points = max(64, int(length * rate)), len(pitch)
    t = np.linspace(0.0, length, points)
    first, second = _VOWELS[rng.integers(len(_VOWELS), size=2)] * singer.size
    mix = 1.0 / (1.0 + np.exp(-(t - length * rng.uniform(0.2, 0.9)) / 0.03))
    formants = first[None, :] * (1 - mix[:, None]) + second[None, :] * mix[:, None]
    count = max(1, int(min(40, 5_000 / pitch[-1])))
    harmonics = np.arange(1, count + 1)
    distance = ((pitch[:, None] * harmonics)[:, :, None] - formants[:, None, :]) / _WIDTHS
    response = (np.array([1.0, 0.6, 0.3]) / (1.0 + distance**2)).sum(axis=2) + 0.02
    levels = response / harmonics**0.9
    place = np.linspace(0, points - 1, samples)
    phase = 2 * np.pi * np.cumsum(np.interp(place, np.arange(points), pitch)) / rate
    out = np.zeros(samples)
    for index in range(count):
        level = np.interp(place, np.arange(points), levels[:, index])
        out += level * np.sin((index + 1) * phase)
    time = np.arange(samples) / rate
    envelope = np.minimum(1, time / rng.uniform(0.02, 0.08)) * np.clip((length - time) / 0.05, 0, 1)
    out = 0.35 * out * envelope
    out += 0.2 * singer.breath * envelope * rng.standard_normal(samples)
    if rng.random() < 0.6:
        out = _with_consonant(out, rate, rng)
    return out.astype(np.float32)


def _with_consonant(
    sound: NDArray[np.float64], rate: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """A short burst of noise before the vowel, high for an s and lower for a k."""
    samples = min(len(sound), int(rng.uniform(0.02, 0.09) * rate))
    noise = rng.standard_normal(samples)
    if rng.random() < 0.6:
        noise = np.diff(noise, prepend=0.0)
    sound[:samples] *= np.linspace(0.2, 1.0, samples)
    sound[:samples] += 0.12 * noise * np.hanning(samples)
    return sound
