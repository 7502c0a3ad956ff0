"""A drum kit: kick, snare and two hats from sine sweeps and noise."""

from __future__ import annotations

import numpy as np

from indexer.synth.signals import Sound, band_noise, clock

# Note numbers of the General MIDI percussion map.
KICK = 36
SNARE = 38
CLOSED_HAT = 42
OPEN_HAT = 46


def stroke(drum: int, velocity: float, rate: int, rng: np.random.Generator) -> Sound:
    """One stroke, float32 of shape (samples,).

    Args:
        drum: ``KICK``, ``SNARE``, ``CLOSED_HAT`` or ``OPEN_HAT``.
        velocity: 0..1.
        rate: Samples per second.
        rng: Source of the noise.

    Raises:
        KeyError: For any other drum.
    """
    return (velocity * _KIT[drum](rate, rng)).astype(np.float32)


def _kick(rate: int, rng: np.random.Generator) -> Sound:
    t = clock(0.35, rate)
    # The pitch falls from 160 Hz to 48 Hz; the phase is its integral.
    sweep = 48.0 * t + 112.0 / 28.0 * (1 - np.exp(-28.0 * t))
    click = band_noise(len(t), rate, 1_000, 5_000, rng) * np.exp(-t * 400)
    return np.asarray(np.sin(2 * np.pi * sweep) * np.exp(-t * 9) + 0.25 * click, dtype=np.float32)


def _snare(rate: int, rng: np.random.Generator) -> Sound:
    t = clock(0.25, rate)
    shell = np.sin(2 * np.pi * 190 * t) * np.exp(-t * 30)
    wires = band_noise(len(t), rate, 1_200, 9_000, rng) * np.exp(-t * 17)
    return np.asarray(0.4 * shell + 0.9 * wires, dtype=np.float32)


def _closed_hat(rate: int, rng: np.random.Generator) -> Sound:
    t = clock(0.08, rate)
    return np.asarray(
        0.5 * band_noise(len(t), rate, 7_000, 16_000, rng) * np.exp(-t * 70), dtype=np.float32
    )


def _open_hat(rate: int, rng: np.random.Generator) -> Sound:
    t = clock(0.4, rate)
    return np.asarray(
        0.5 * band_noise(len(t), rate, 6_000, 16_000, rng) * np.exp(-t * 9), dtype=np.float32
    )


_KIT = {KICK: _kick, SNARE: _snare, CLOSED_HAT: _closed_hat, OPEN_HAT: _open_hat}
