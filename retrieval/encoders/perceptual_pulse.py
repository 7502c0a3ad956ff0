"""Periodicity and density of onsets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.perceptual_spectra import FRAME_RATE, Array, Spectra

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Pulse:
    """Periodicity of onsets: clarity 0..1, tempo in beats per minute, density in onsets per s."""

    clarity: float
    tempo: float
    density: float


def measure_pulse(spectra: Spectra) -> Pulse:
    """Periodicity of the onset strength (pulse clarity after Lartillot et al. 2008).

    Tempo is the mean over lags of 0.25..1.5 s, in octaves, each by its peak in the enhanced
    autocorrelation (Tolonen and Karjalainen 2000: what a half, third or fifth of the lag explains
    is taken away) and by a prior around 110 bpm, which alone decides where there is no pulse.
    """
    onsets = _onsets(spectra.bands)
    lags = np.arange(round(0.25 * FRAME_RATE), round(1.5 * FRAME_RATE) + 1)
    curve = _autocorrelation(onsets, lags[-1])
    strengths, places = curve[lags], np.arange(len(curve))
    explained = np.max([np.interp(lags / part, places, curve) for part in (2, 3, 5)], axis=0)
    votes = np.maximum(strengths - explained, 0.0) ** 2 + 1e-3
    tempi = np.log2(60.0 * FRAME_RATE / lags)
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


def _density(onsets: Array) -> float:
    """Onsets per second: local maxima above the usual flutter, by how far they stand out."""
    if len(onsets) < 3:
        return 0.0
    raised = np.maximum(onsets - 1.5 * float(np.median(onsets)), 0.0)
    middle = raised[1:-1]
    peaks = middle[(middle > raised[:-2]) & (middle >= raised[2:])]
    reference = max(0.4 * float(np.quantile(raised, 0.98)), 0.08)
    counted = peaks**2 / (peaks**2 + reference**2)
    return float(counted.sum()) / (len(onsets) / FRAME_RATE)
