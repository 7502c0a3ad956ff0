"""Spectra that the perceptual dimensions are measured on, in NumPy alone and without loops.

Every window is scaled to unit RMS first, so that all that follows is free of level; floors are
relative to the window's mean power, so that codec noise in quiet places does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float32]

SAMPLE_RATE = 22_050
FRAME, HOP = 2_048, 512
"""Short frames, for timbre and rhythm: 93 ms every 23 ms."""
FRAME_RATE = SAMPLE_RATE / HOP
TONAL_FRAME, TONAL_HOP = 8_192, 2_048
"""Long frames, for pitch: 2.7 Hz apart, every 93 ms."""

BANDS = 48
LOWEST_BAND, HIGHEST_BAND = 40.0, 10_500.0
"""Hz. Bands are evenly spaced in mel = 2595 log10(1 + f / 700) (O'Shaughnessy 1987)."""

LOWEST_PITCH = 55.0
OCTAVES = 7
STEPS = 36
"""Pitch bins per octave, from A1 upwards: three per semitone."""
PITCHES = OCTAVES * STEPS

PARAMETERS = (
    *(SAMPLE_RATE, FRAME, HOP, TONAL_FRAME, TONAL_HOP),
    *(BANDS, LOWEST_BAND, HIGHEST_BAND, LOWEST_PITCH, OCTAVES, STEPS),
)
"""All of the above, for the space's revision."""

_TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """What one window looks like.

    Attributes:
        level: RMS level in dBFS between 40 Hz and 10.5 kHz, at least -120.
        power: (frames, FRAME // 2 + 1), from 40 Hz upwards (rumble below is not music, and codecs
            remove it).
        bands: (frames, BANDS), mel bands of ``power``.
        weights: (frames,), sum 1: loud frames alike, frames 20 dB below the mean hardly at all.
        pitches: (tonal frames, PITCHES), magnitude above its surroundings, at log-spaced pitches.
    """

    level: float
    power: Array
    bands: Array
    weights: Array
    pitches: Array


def spectra(samples: Array) -> Spectra:
    """The spectra of one mono window, shape (samples,), at 22,050 Hz, finite."""
    rms = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0
    scaled = (samples / max(rms, 1e-9)).astype(np.float32)
    power = _power(scaled, FRAME, HOP)
    power[:, frequencies(FRAME) < LOWEST_BAND] = 0.0
    bands = _bands(power)
    energy = bands.sum(axis=1)
    raw = energy / (energy + 0.01 * energy.mean() + _TINY) + _TINY
    return Spectra(
        # White noise has power 1 in every bin.
        level=10.0 * float(np.log10(max(rms**2 * float(power.mean()), 1e-12))),
        power=power,
        bands=bands,
        weights=(raw / raw.sum()).astype(np.float32),
        pitches=_pitches(_power(scaled, TONAL_FRAME, TONAL_HOP)),
    )


@cache
def frequencies(frame: int) -> Array:
    """Centre frequencies in Hz of a frame's bins, shape (frame // 2 + 1,)."""
    return np.fft.rfftfreq(frame, 1.0 / SAMPLE_RATE).astype(np.float32)


@cache
def band_frequencies() -> Array:
    """Centre frequencies in Hz of the mel bands, shape (BANDS,)."""
    return _band_edges()[1:-1].astype(np.float32)


def _power(samples: Array, frame: int, hop: int) -> Array:
    if len(samples) < frame:
        samples = np.pad(samples, (0, frame - len(samples)))
    frames = sliding_window_view(samples, frame)[::hop]
    spectrum = np.fft.rfft(frames * _hann(frame), axis=1)
    return np.asarray(np.square(spectrum.real) + np.square(spectrum.imag), dtype=np.float32)


def project(rows: Array, matrix: Array) -> Array:
    """The product of (n, k) and (k, m) or (k,), without BLAS.

    BLAS would start threads for products this small; with several files in work at once these cost
    many times the product.
    """
    product = np.einsum("ij,jk->ik" if matrix.ndim == 2 else "ij,j->i", rows, matrix)
    return np.asarray(product, dtype=np.float32)


def block_means(rows: Array, size: int) -> Array:
    """Means over blocks of ``size`` rows; a last one of less than half the size is left out."""
    starts = np.arange(0, max(1, len(rows) - size // 2), size)
    sums = np.add.reduceat(rows, starts, axis=0)
    counts = np.diff(np.append(starts, len(rows)))
    return np.asarray(sums / counts[:, None], dtype=np.float32)


def _bands(power: Array) -> Array:
    """Triangular mel bands: each stretch between two edges falls in one band, rises in the next."""
    first, last, rising, falling = _mel_stretches()
    inner = power[:, first[0] : last]
    starts = first - first[0]
    up = np.add.reduceat(inner * rising, starts, axis=1)
    down = np.add.reduceat(inner * falling, starts, axis=1)
    return np.asarray(up[:, :-1] + down[:, 1:], dtype=np.float32)


def _pitches(power: Array) -> Array:
    place, part = _pitch_edges()
    sums = np.cumsum(power, axis=1, dtype=np.float64)
    # Power up to each edge, then between edges, then in triangles a semitone wide on each side.
    below = sums[:, place] + part * power[:, place + 1]
    cells = np.pad(np.diff(below, axis=1), ((0, 0), (2, 2)))
    count = PITCHES
    triangles = sum(w * cells[:, k : k + count] for k, w in enumerate((1.0, 2.0, 3.0, 2.0, 1.0)))
    magnitude = np.sqrt(np.maximum(triangles / _pitch_widths(), 0.0))
    # What stands out of an octave's surroundings is tone; the rest is noise and spectral tilt.
    edges = ((0, 0), (STEPS // 2 + 1, STEPS // 2))
    total = np.cumsum(np.pad(magnitude, edges, mode="edge"), axis=1)
    surroundings = (total[:, STEPS:] - total[:, :-STEPS])[:, :PITCHES] / STEPS
    return np.asarray(np.maximum(magnitude - surroundings, 0.0), dtype=np.float32)


@cache
def _hann(frame: int) -> Array:
    window = np.hanning(frame + 1)[:-1]
    return np.asarray(window / np.sqrt(np.sum(window**2)), dtype=np.float32)


def _band_edges() -> NDArray[np.float64]:
    low, high = (2595.0 * np.log10(1.0 + f / 700.0) for f in (LOWEST_BAND, HIGHEST_BAND))
    return 700.0 * (10.0 ** (np.linspace(low, high, BANDS + 2) / 2595.0) - 1.0)


@cache
def _mel_stretches() -> tuple[NDArray[np.intp], int, Array, Array]:
    """First bin of each stretch between band edges, the end, and each bin's share up and down."""
    edges = _band_edges()
    bins = frequencies(FRAME).astype(np.float64)
    first = np.searchsorted(bins, edges)
    inner = bins[first[0] : first[-1]]
    stretch = np.searchsorted(edges, inner, side="right") - 1
    rising = (inner - edges[stretch]) / (edges[stretch + 1] - edges[stretch])
    return (
        first[:-1],
        int(first[-1]),
        rising.astype(np.float32),
        (1.0 - rising).astype(np.float32),
    )


@cache
def _pitch_edges() -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Edges of the pitch cells as positions in a frame's bins: whole bins, and the part beyond."""
    steps = np.arange(PITCHES + 1) - 0.5
    edges = LOWEST_PITCH * 2.0 ** (steps / STEPS) * TONAL_FRAME / SAMPLE_RATE
    # Bin k covers k - 0.5 .. k + 0.5, and a cumulative sum up to k ends there.
    shifted = edges - 0.5
    return np.floor(shifted).astype(np.intp), shifted % 1.0


@cache
def _pitch_widths() -> NDArray[np.float64]:
    """Width in bins of each pitch's triangle, so that equal density gives equal magnitude."""
    steps = np.arange(PITCHES)
    width = (2.0 ** (0.5 / STEPS) - 2.0 ** (-0.5 / STEPS)) * TONAL_FRAME / SAMPLE_RATE
    bins = LOWEST_PITCH * 2.0 ** (steps / STEPS) * width
    return np.asarray(9.0 * np.maximum(bins, 1.0), dtype=np.float64)
