"""The ten perceptual dimensions by signal processing.

New definitions after facts known from music research; not comparable with values of other feature
sets, whatever their names. All but arousal are free of level.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.perceptual_spectra import (
    BANDS,
    FRAME,
    HOP,
    LOWEST_PITCH,
    PITCHES,
    SAMPLE_RATE,
    STEPS,
    TONAL_HOP,
    Array,
    Spectra,
    band_frequencies,
    frequencies,
    project,
)

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
_FRAME_RATE = SAMPLE_RATE / HOP
# Probe-tone ratings of Krumhansl and Kessler (1982), from the tonic upwards.
_MAJOR_KEY = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR_KEY = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
_MAJOR_TRIAD = (1.0, 0, 0, 0, 1.0, 0, 0, 1.0, 0, 0, 0, 0)
_MINOR_TRIAD = (1.0, 0, 0, 1.0, 0, 0, 0, 1.0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Pulse:
    """Periodicity of onsets: clarity 0..1, tempo in beats per minute, density in onsets per s."""

    clarity: float
    tempo: float
    density: float


@dataclass(frozen=True, slots=True)
class Tonality:
    """Fit to keys and chords, 0 (none) to about 1, and mode, -1 (minor) to 1 (major)."""

    fit: float
    mode: float


def measure(spectra: Spectra) -> Array:
    """The ten dimensions of one window, float32 of shape (10,), in the order of ``DIMS``."""
    pulse, tonality = measure_pulse(spectra), measure_tonality(spectra)
    bright, speed = brightness(spectra), rhythm_speed(pulse)
    values = (
        richness(spectra),
        variation(spectra),
        20.0 * pulse.clarity - 10.0,
        warmth(spectra),
        40.0 * tonality.fit - 14.0,
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
    size = round(0.5 * _FRAME_RATE)
    blocks = _blocks(cepstra, size)
    if len(blocks) < 2:
        return float(5.0 * np.log2(4.0 / 25.0))
    steps = [lag for lag in (1, 4) if lag < len(blocks)]
    distances = [np.linalg.norm(blocks[lag:] - blocks[:-lag], axis=1).mean() for lag in steps]
    return float(5.0 * np.log2((np.mean(distances) + 4.0) / 25.0))


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


def measure_pulse(spectra: Spectra) -> Pulse:
    """Periodicity of the onset strength (pulse clarity after Lartillot et al. 2008).

    Tempo is the mean over lags of 0.25..1.5 s, in octaves, each by its peak in the enhanced
    autocorrelation (Tolonen and Karjalainen 2000: what a half, third or fifth of the lag explains
    is taken away) and by a prior around 110 bpm, which alone decides where there is no pulse.
    """
    onsets = _onsets(spectra.bands)
    lags = np.arange(round(0.25 * _FRAME_RATE), round(1.5 * _FRAME_RATE) + 1)
    curve = _autocorrelation(onsets, lags[-1])
    strengths, places = curve[lags], np.arange(len(curve))
    explained = np.max([np.interp(lags / part, places, curve) for part in (2, 3, 5)], axis=0)
    votes = np.maximum(strengths - explained, 0.0) ** 2 + 1e-3
    tempi = np.log2(60.0 * _FRAME_RATE / lags)
    votes *= np.exp(-0.5 * np.square(tempi - np.log2(110.0)))
    return Pulse(
        clarity=float(strengths.max()),
        tempo=2.0 ** float(votes @ tempi / votes.sum()),
        density=_density(onsets),
    )


def _onsets(bands: Array) -> Array:
    """Rise of log loudness from frame to frame, mean over bands, lightly smoothed."""
    loudness = np.log1p(100.0 * bands / (bands.mean() + _TINY))
    flux = np.maximum(np.diff(loudness, axis=0, prepend=loudness[:1]), 0.0).mean(axis=1)
    smooth = np.convolve(flux, np.array([0.25, 0.5, 0.25], dtype=np.float32), mode="same")
    return np.asarray(smooth, dtype=np.float32)


def _autocorrelation(onsets: Array, last: int) -> NDArray[np.float64]:
    """Autocorrelation at lags 0..last, clipped to 0..1; 0 beyond half the length."""
    centred = (onsets - onsets.mean()).astype(np.float64)
    size = 1 << int(2 * len(centred) - 1).bit_length()
    products = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2, size)
    lags = np.arange(min(len(centred) // 2, last) + 1)
    # The floor says how much onsets must stand out at all: 0.03 in log loudness.
    variance = products[0] / len(centred) + 0.03**2
    curve = np.zeros(last + 1)
    curve[lags] = np.clip(products[lags] / (len(centred) - lags) / variance, 0.0, 1.0)
    return curve


def measure_tonality(spectra: Spectra) -> Tonality:
    """Fit of the window's pitch classes to keys, and of each second's to triads."""
    chroma = project(spectra.pitches, _fold())
    whole = chroma.sum(axis=0, keepdims=True)
    seconds = _blocks(chroma, round(SAMPLE_RATE / TONAL_HOP))
    key_fit, key_mode = _fit(whole, _templates()[0])
    chord_fit, chord_mode = _fit(seconds, _templates()[1])
    return Tonality(fit=0.5 * (key_fit + chord_fit), mode=0.5 * (key_mode + chord_mode))


def _fit(chroma: Array, templates: Array) -> tuple[float, float]:
    """Best fit to 12 major and 12 minor templates and their difference, weighted over rows."""
    size = np.linalg.norm(chroma, axis=1)
    fits = project(chroma, templates.T) / (size[:, None] + _TINY)
    weights = size / (size.sum() + _TINY)
    soft = np.log(np.exp(20.0 * fits).reshape(len(fits), 2, 12).sum(axis=2)) / 20.0
    mode = np.tanh(5.0 * (soft[:, 0] - soft[:, 1]))
    return float(weights @ fits.max(axis=1)), float(weights @ mode)


def _density(onsets: Array) -> float:
    """Onsets per second: local maxima above the usual flutter, by how far they stand out."""
    if len(onsets) < 3:
        return 0.0
    raised = np.maximum(onsets - 1.5 * float(np.median(onsets)), 0.0)
    middle = raised[1:-1]
    peaks = middle[(middle > raised[:-2]) & (middle >= raised[2:])]
    reference = max(0.4 * float(np.quantile(raised, 0.98)), 0.08)
    counted = peaks**2 / (peaks**2 + reference**2)
    return float(counted.sum()) / (len(onsets) / _FRAME_RATE)


def _salience(pitches: Array) -> Array:
    """Harmonic sums, shape (frames, PITCHES)."""
    salience = pitches.copy()
    for harmonic in range(2, 9):
        shift = round(STEPS * float(np.log2(harmonic)))
        salience[:, :-shift] += np.float32(0.7 ** (harmonic - 1)) * pitches[:, shift:]
    return salience


def _blocks(rows: Array, size: int) -> Array:
    """Means over blocks of ``size`` rows; a last one of less than half the size is left out."""
    starts = np.arange(0, max(1, len(rows) - size // 2), size)
    sums = np.add.reduceat(rows, starts, axis=0)
    counts = np.diff(np.append(starts, len(rows)))
    return np.asarray(sums / counts[:, None], dtype=np.float32)


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


@cache
def _fold() -> Array:
    """Pitch bins to the twelve pitch classes from C upwards, nearest semitone."""
    semitones = 12.0 * np.arange(PITCHES) / STEPS + 12.0 * np.log2(LOWEST_PITCH / 261.6256)
    fold = np.zeros((PITCHES, 12), dtype=np.float32)
    fold[np.arange(PITCHES), np.round(semitones).astype(int) % 12] = 1.0
    return fold


@cache
def _templates() -> tuple[Array, Array]:
    """Keys and triads, each 12 major then 12 minor, centred and of unit length."""

    def rotated(major: tuple[float, ...], minor: tuple[float, ...]) -> Array:
        rows = np.array([np.roll(shape, k) for shape in (major, minor) for k in range(12)])
        rows -= rows.mean(axis=1, keepdims=True)
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    return rotated(_MAJOR_KEY, _MINOR_KEY), rotated(_MAJOR_TRIAD, _MINOR_TRIAD)
