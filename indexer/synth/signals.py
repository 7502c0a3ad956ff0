"""Building blocks of sound: envelopes, sums of partials, noise, plucked strings.

Every function returns float32 of shape (samples,), about -1..1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]


def clock(seconds: float, rate: int) -> NDArray[np.float64]:
    """Times of the samples in seconds, shape (samples,), at least one."""
    return np.arange(max(1, round(seconds * rate))) / rate


def envelope(
    held: float,
    rate: int,
    *,
    attack: float,
    release: float,
    decay: float = 0.0,
    sustain: float = 1.0,
) -> Sound:
    """Attack, exponential decay to ``sustain``, release after ``held`` seconds.

    Args:
        held: Seconds until the release starts.
        rate: Samples per second.
        attack: Seconds of linear rise.
        release: Seconds of the fall to silence; the envelope lasts ``held + release``.
        decay: Time constant of the decay in seconds; 0 for none.
        sustain: Level that the decay tends to, 0..1.
    """
    t = clock(held + release, rate)
    level = np.minimum(1.0, t / max(attack, 1.0 / rate))
    if decay > 0:
        level = level * (sustain + (1 - sustain) * np.exp(-np.maximum(0.0, t - attack) / decay))
    fall = np.clip((held + release - t) / max(release, 1.0 / rate), 0.0, 1.0)
    return np.asarray(level * fall**1.5, dtype=np.float32)


def partials(
    frequency: float,
    levels: Sequence[float],
    t: NDArray[np.float64],
    rate: int,
    *,
    ratios: Sequence[float] | None = None,
    damping: Sequence[float] | None = None,
    vibrato: tuple[float, float] = (0.0, 0.0),
) -> Sound:
    """A sum of sine waves; those above 45 % of the sample rate are left out.

    Args:
        frequency: Fundamental in Hz.
        levels: Amplitude of each partial.
        t: Times in seconds.
        rate: Samples per second.
        ratios: Frequency of each partial over the fundamental; 1, 2, 3, … if not given.
        damping: Exponential decay of each partial, per second.
        vibrato: Rate in Hz and depth as a share of the frequency.
    """
    speed, depth = vibrato
    phase = 2 * np.pi * frequency * t
    if speed > 0:
        swing = 1 - np.cos(2 * np.pi * speed * t)
        phase = phase + frequency * depth / speed * swing
    out = np.zeros(t.shape)
    for index, level in enumerate(levels):
        ratio = ratios[index] if ratios is not None else index + 1.0
        if ratio * frequency > 0.45 * rate:
            continue
        wave = level * np.sin(ratio * phase)
        if damping is not None:
            wave *= np.exp(-damping[index] * t)
        out += wave
    return out.astype(np.float32)


def band_noise(samples: int, rate: int, low: float, high: float, rng: np.random.Generator) -> Sound:
    """White noise between two frequencies in Hz, with soft edges and unit peak."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hertz = np.fft.rfftfreq(samples, 1.0 / rate) + 1e-9
    spectrum *= 1.0 / (1.0 + (low / hertz) ** 4) / (1.0 + (hertz / high) ** 4)
    noise = np.fft.irfft(spectrum, samples)
    return np.asarray(noise / max(1e-9, float(np.abs(noise).max())), dtype=np.float32)


def plucked_string(
    frequency: float, seconds: float, rate: int, brightness: float, rng: np.random.Generator
) -> Sound:
    """A plucked string: noise in a loop that averages neighbours.

    After Karplus and Strong, "Digital Synthesis of Plucked-String and Drum Timbres", Computer
    Music Journal 7(2), 1983.

    Args:
        frequency: In Hz; rounded so that a period is a whole number of samples plus a half.
        seconds: Length.
        rate: Samples per second.
        brightness: 0..1, how much of the high end the pluck excites.
        rng: Source of the pluck.
    """
    samples = max(1, round(seconds * rate))
    period = max(2, round(rate / frequency - 0.5))
    burst = rng.uniform(-1.0, 1.0, period)
    smooth = (burst + np.roll(burst, 1) + np.roll(burst, 2)) / 3.0
    loop = brightness * burst + (1 - brightness) * smooth
    loop -= loop.mean()
    rounds = -(-samples // period)
    out = np.empty((rounds, period))
    previous = 0.0
    for row in out:
        row[:] = loop
        # Each sample becomes the mean of itself and the one before it, across the seam as well.
        shifted = np.concatenate(([previous], loop[:-1]))
        previous = float(loop[-1])
        loop = 0.498 * (loop + shifted)
    return out.reshape(-1)[:samples].astype(np.float32)
