"""The ten perceptual dimensions by signal processing.

New definitions after facts known from music research; not comparable with values of other feature
sets, whatever their names. All but arousal are free of level.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.perceptual_pulse import Pulse, measure_pulse
from retrieval.encoders.perceptual_spectra import (
    BANDS,
    FRAME,
    FRAME_RATE,
    PITCHES,
    SAMPLE_RATE,
    STEPS,
    TONAL_HOP,
    Array,
    Spectra,
    band_frequencies,
    block_means,
    frequencies,
    project,
)
from retrieval.encoders.perceptual_tonality import Tonality, measure_tonality

DIMS = (
    "richness",
    "variation",
    "rhythm",
    "warmth",
    "harmony",
    "brightness",
    "melody_trend",
    "rhythm_speed",
    "arousal",
    "valence",
)

# Sound without any power from 40 Hz up has no spectrum to measure; it ends at a bound.
_LOWEST = np.array([-15.0] * 5 + [0.0] * 4 + [-100.0], dtype=np.float32)
_HIGHEST = np.array([15.0] * 5 + [100.0] * 5, dtype=np.float32)
_TINY = 1e-12


def measure(spectra: Spectra) -> Array:
    """The ten dimensions of one window, float32 of shape (10,), in the order of ``DIMS``."""
    pulse, tonality = measure_pulse(spectra), measure_tonality(spectra)
    bright, speed = brightness(spectra), rhythm_speed(pulse)
    values = (
        richness(spectra),
        variation(spectra),
        rhythm(pulse),
        warmth(spectra),
        harmony(tonality),
        bright,
        melody_trend(spectra),
        speed,
        arousal(spectra.level, bright, speed, pulse.clarity),
        valence(tonality.mode, bright, speed),
    )
    return np.clip(np.array(values, dtype=np.float32), _LOWEST, _HIGHEST)


def richness(spectra: Spectra) -> float:
    """How full the spectrum is, about -10 (one tone) to 10 (every band sounds).

    0.3 (F + 20 dB) + 6 (W - 1 octave): F is the spectral flatness over mel bands in dB, -40..0, W
    the bandwidth, the power-weighted standard deviation of log2 frequency in octaves.
    """
    bands = spectra.bands
    mean = bands.mean(axis=1, keepdims=True)
    floored = bands + 1e-4 * mean + _TINY
    flatness = 10.0 * (np.log10(floored).mean(axis=1) - np.log10(floored.mean(axis=1)))
    octaves = np.log2(band_frequencies())
    share = bands / (bands.sum(axis=1, keepdims=True) + _TINY)
    centre = project(share, octaves)
    width = np.sqrt(np.maximum(project(share, np.square(octaves)) - np.square(centre), 0.0))
    return _mean(0.3 * (flatness + 20.0) + 6.0 * (width - 1.0), spectra.weights)


def variation(spectra: Spectra) -> float:
    """How much timbre changes within the window, about -10 (a held sound) to 10.

    5 log2((N + 4 dB) / 25 dB): N is the mean distance between mel cepstra (coefficients 1..13,
    in dB) of half-second blocks 0.5 s and 2 s apart. Level is coefficient 0, so it plays no part.
    """
    levels = 10.0 * np.log10(spectra.bands + 1e-5 * spectra.bands.mean() + _TINY)
    cepstra = project(levels, _cosines())
    size = round(0.5 * FRAME_RATE)
    blocks = block_means(cepstra, size)
    if len(blocks) < 2:
        return float(5.0 * np.log2(4.0 / 25.0))
    steps = [lag for lag in (1, 4) if lag < len(blocks)]
    distances = [np.linalg.norm(blocks[lag:] - blocks[:-lag], axis=1).mean() for lag in steps]
    return float(5.0 * np.log2((np.mean(distances) + 4.0) / 25.0))


def rhythm(pulse: Pulse) -> float:
    """How clear the beat is, -10 (none) to 10 (a metronome).

    20 C - 10: C is the pulse clarity, 0..1, see ``perceptual_pulse``.
    """
    return 20.0 * pulse.clarity - 10.0


def harmony(tonality: Tonality) -> float:
    """How well the pitches fit keys and chords, -14 (noise) to about 13 (one held triad).

    40 F - 14: F is the mean of the best fits to key and chord templates, 0 to about 0.7, see
    ``perceptual_tonality``.
    """
    return 40.0 * tonality.fit - 14.0


def warmth(spectra: Spectra) -> float:
    """Low against middle and high energy, -10 (thin) to 10 (only lows).

    A third of the ratio in dB of the power below 350 Hz to the power above, with a floor of -30 dB;
    the border is as soft as a filter of the second order.
    """
    total = spectra.bands.sum(axis=0, dtype=np.float64)
    low = float(total @ (1.0 / (1.0 + (band_frequencies() / 350.0) ** 4)))
    high = float(total.sum()) - low
    floor = 1e-3 * (low + high) + _TINY
    return float(10.0 * np.log10((low + floor) / (high + floor)) / 3.0)


def brightness(spectra: Spectra) -> float:
    """Where the spectrum lies, 0 (100 Hz) to 100 (10 kHz), evenly per octave.

    Mean of log2 of the power centroid and of the frequency below which 85 % of the power lies.
    """
    bins = frequencies(FRAME)
    total = spectra.power.sum(axis=1) + _TINY
    centroid = project(spectra.power, bins) / total
    below = np.cumsum(spectra.power, axis=1) >= 0.85 * total[:, None]
    rolloff = bins[np.argmax(below, axis=1)]
    octaves = 0.5 * (np.log2(np.clip(centroid, 100, 1e4)) + np.log2(np.clip(rolloff, 100, 1e4)))
    position = (octaves - np.log2(100.0)) / np.log2(100.0)
    return 100.0 * _mean(position, spectra.weights)


def melody_trend(spectra: Spectra) -> float:
    """Whether the salient pitch falls (below 50) or rises (above 50), 0..100.

    50 + 50 tanh(s / 4): s is the slope in semitones per second, by least squares over the window,
    of the salience-weighted mean pitch. Salience sums eight harmonics (Klapuri 2006). A ridge of
    1 s^2 draws short windows, whose slope means little, towards 50.
    """
    salience = _salience(spectra.pitches)
    strength = salience.max(axis=1)
    sharp = (salience / (strength[:, None] + _TINY)) ** 6
    semitones = np.arange(PITCHES, dtype=np.float32) * np.float32(12.0 / STEPS)
    pitch = project(sharp, semitones) / (sharp.sum(axis=1) + _TINY)
    weight = strength / (strength + 0.1 * strength.mean() + _TINY) + _TINY
    weight /= weight.sum()
    time = np.arange(len(pitch)) * (TONAL_HOP / SAMPLE_RATE)
    time = time - weight @ time
    slope = float((weight * time) @ (pitch - weight @ pitch) / ((weight * time) @ time + 1.0))
    return 50.0 + 50.0 * float(np.tanh(slope / 4.0))


def rhythm_speed(pulse: Pulse) -> float:
    """Tempo and onset density together, 0 (still) to 100 (very fast).

    Logistic in the mean of log2(tempo / 110 bpm) and log2((density + 0.25) / 2 per second).
    """
    octaves = 0.5 * (np.log2(pulse.tempo / 110.0) + np.log2((pulse.density + 0.25) / 2.0))
    return 100.0 * _logistic(1.5 * float(octaves))


def arousal(level: float, bright: float, speed: float, clarity: float) -> float:
    """Calm (0) to excited (100): a proxy from speed, brightness, pulse and, a little, level.

    The cues and their order follow Gabrielsson and Lindström (2010); 12 dB move it by 4 at most.
    """
    cues = 0.03 * (speed - 50.0) + 0.03 * (bright - 45.0) + (clarity - 0.5) + 0.012 * (level + 20.0)
    return 100.0 * _logistic(cues)


def valence(mode: float, bright: float, speed: float) -> float:
    """Sad (-100) to happy (100): a proxy from mode, and a little from speed and brightness."""
    cues = 1.5 * mode + 0.005 * (speed - 50.0) + 0.002 * (bright - 45.0)
    return 100.0 * float(np.tanh(cues))


def _salience(pitches: Array) -> Array:
    """Harmonic sums, shape (frames, PITCHES)."""
    salience = pitches.copy()
    for harmonic in range(2, 9):
        shift = round(STEPS * float(np.log2(harmonic)))
        salience[:, :-shift] += np.float32(0.7 ** (harmonic - 1)) * pitches[:, shift:]
    return salience


def _mean(values: NDArray[np.floating], weights: Array) -> float:
    return float(values.astype(np.float64) @ weights.astype(np.float64))


def _logistic(value: float) -> float:
    return float(1.0 / (1.0 + np.exp(-value)))


@cache
def _cosines() -> Array:
    """Cosine transform of the bands' levels to coefficients 1..13, orthonormal."""
    order = np.arange(1, 14)
    place = (np.arange(BANDS)[:, None] + 0.5) / BANDS
    basis = np.sqrt(2.0 / BANDS) * np.cos(np.pi * place * order)
    return np.asarray(basis, dtype=np.float32)
