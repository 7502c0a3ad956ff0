"""Instruments: each turns one note into sound.

The recipes are our own simplifications of textbook models: sums of decaying partials (struck and
blown), frequency modulation (Chowning, JAES 21(7), 1973) and the Karplus-Strong string.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from indexer.synth.signals import (
    Sound,
    band_noise,
    clock,
    envelope,
    partials,
    plucked_string,
)


@dataclass(frozen=True, slots=True)
class Tone:
    """One note to sound.

    Attributes:
        frequency: In Hz.
        held: Seconds until it is released.
        velocity: 0..1.
        rate: Samples per second.
        rng: Source of noise, seeded by the note.
    """

    frequency: float
    held: float
    velocity: float
    rate: int
    rng: np.random.Generator


Voice = Callable[[Tone], Sound]


def piano(tone: Tone) -> Sound:
    """Struck strings: slightly stretched partials, high ones dying first, and a felt thump."""
    shape = envelope(tone.held, tone.rate, attack=0.003, release=0.25)
    t = clock(tone.held + 0.25, tone.rate)
    count = range(1, 11)
    stretch = 4e-4
    sound = partials(
        tone.frequency,
        [1.0 / n ** (1.9 - 0.6 * tone.velocity) for n in count],
        t,
        tone.rate,
        ratios=[n * np.sqrt(1 + stretch * n * n) for n in count],
        damping=[0.7 * (tone.frequency / 220) ** 0.7 * (1 + 0.35 * n) for n in count],
    )
    thump = band_noise(len(t), tone.rate, 80, 900, tone.rng) * np.exp(-t * 90)
    return np.asarray((0.6 * sound + 0.12 * thump) * shape, dtype=np.float32)


def guitar(tone: Tone) -> Sound:
    """A plucked string with a damped end."""
    string = plucked_string(
        tone.frequency, tone.held + 0.15, tone.rate, 0.25 + 0.5 * tone.velocity, tone.rng
    )
    return string * envelope(tone.held, tone.rate, attack=0.001, release=0.15)


def strings(tone: Tone) -> Sound:
    """A section of bowed strings: many slightly detuned saw-like voices, each with its vibrato."""
    t = clock(tone.held + 0.5, tone.rate)
    sound = np.zeros(t.shape, dtype=np.float32)
    for cents in (-6.0, -3.7, -1.1, 1.3, 3.1, 5.8):
        # Voices that start apart do not beat together.
        late = float(tone.rng.uniform(0.0, 0.2))
        sound += partials(
            tone.frequency * 2 ** (cents / 1200),
            [1.0 / n**1.4 for n in range(1, 8)],
            t + late,
            tone.rate,
            vibrato=(4.6 + 0.15 * cents, 0.003),
        )
    shape = envelope(tone.held, tone.rate, attack=0.35, release=0.5)
    return np.asarray(0.12 * sound * shape, dtype=np.float32)


def flute(tone: Tone) -> Sound:
    """A blown pipe: few partials, breath, and vibrato that sets in late."""
    t = clock(tone.held + 0.08, tone.rate)
    sound = partials(tone.frequency, [1.0, 0.28, 0.12, 0.04], t, tone.rate, vibrato=(5.2, 0.003))
    breath = band_noise(len(t), tone.rate, 0.8 * tone.frequency, 3.0 * tone.frequency, tone.rng)
    shape = envelope(tone.held, tone.rate, attack=0.05, release=0.08)
    return np.asarray((0.55 * sound + 0.06 * breath) * shape, dtype=np.float32)


def trumpet(tone: Tone) -> Sound:
    """Brass: frequency modulation whose depth follows the loudness, so loud is bright."""
    shape = envelope(tone.held, tone.rate, attack=0.03, release=0.07, decay=0.15, sustain=0.8)
    t = clock(tone.held + 0.07, tone.rate)
    angle = 2 * np.pi * tone.frequency * t + 0.01 * np.sin(2 * np.pi * 5.5 * t)
    depth = 4.5 * (0.5 + 0.5 * tone.velocity) * shape
    sound = np.sin(angle + depth * np.sin(angle))
    return np.asarray(0.5 * sound * shape, dtype=np.float32)


def music_box(tone: Tone) -> Sound:
    """Plucked metal teeth: a pure tone with a short inharmonic ring on top."""
    ring = 0.9
    t = clock(tone.held + ring, tone.rate)
    sound = partials(
        tone.frequency,
        [1.0, 0.25, 0.35, 0.1],
        t,
        tone.rate,
        ratios=[1.0, 2.0, 4.07, 6.3],
        damping=[4.0, 6.0, 12.0, 25.0],
    )
    shape = envelope(tone.held, tone.rate, attack=0.002, release=ring)
    return np.asarray(0.5 * sound * shape, dtype=np.float32)


def organ(tone: Tone) -> Sound:
    """Pipes at several octaves, steady for as long as the key is down."""
    t = clock(tone.held + 0.12, tone.rate)
    sound = partials(
        tone.frequency,
        [0.6, 1.0, 0.4, 0.6, 0.25, 0.35, 0.15],
        t,
        tone.rate,
        ratios=[0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0],
    )
    shape = envelope(tone.held, tone.rate, attack=0.04, release=0.12)
    return np.asarray(0.24 * sound * shape, dtype=np.float32)


def bell(tone: Tone) -> Sound:
    """A cast bell: the inharmonic partials of hum, prime, tierce, quint and nominal, ringing on."""
    ring = 2.5
    t = clock(tone.held + ring, tone.rate)
    sound = partials(
        tone.frequency,
        [0.5, 0.9, 0.7, 0.4, 0.8, 0.3, 0.2],
        t,
        tone.rate,
        ratios=[0.5, 1.0, 1.2, 1.5, 2.0, 2.62, 4.2],
        damping=[0.5, 0.9, 1.2, 1.6, 2.0, 4.0, 7.0],
    )
    shape = envelope(tone.held, tone.rate, attack=0.002, release=ring)
    return np.asarray(0.3 * sound * shape, dtype=np.float32)


def synth_bass(tone: Tone) -> Sound:
    """A saw whose upper partials close like a filter."""
    t = clock(tone.held + 0.05, tone.rate)
    count = range(1, 16)
    sound = partials(
        tone.frequency,
        [1.0 / n for n in count],
        t,
        tone.rate,
        damping=[0.5 + 1.4 * (n - 1) for n in count],
    )
    shape = envelope(tone.held, tone.rate, attack=0.004, release=0.05)
    return np.asarray(0.5 * sound * shape, dtype=np.float32)


def distorted_guitar(tone: Tone) -> Sound:
    """A plucked string driven into soft clipping."""
    return np.asarray(0.45 * np.tanh(6.0 * guitar(tone)), dtype=np.float32)


VOICES: dict[str, Voice] = {
    "piano": piano,
    "guitar": guitar,
    "strings": strings,
    "flute": flute,
    "trumpet": trumpet,
    "music box": music_box,
    "organ": organ,
    "bells": bell,
    "synth bass": synth_bass,
    "electric guitar": distorted_guitar,
}
"""Instruments by the name they have in scores and in the truth of a piece."""
