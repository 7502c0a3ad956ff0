"""Spectrograms that several descriptors look at; each a function for ``Sound.share``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from retrieval.describe.protocol import RATE, Sound

FINE_SIZE, FINE_HOP = 8192, 2048
"""Of ``fine_spectrogram``: 372 ms, 10.8 frames a second, bins 2.7 Hz apart."""
FINE_HIGHEST = 5_500.0
"""Hz up to which it has bins: what is higher is no pitch."""

SHORT_SIZE, SHORT_HOP = 2048, 512
"""Of ``mel_spectrogram``: 93 ms, 43.07 frames a second."""
MELS = 128
_OCTAVES = tuple(
    round(hertz * SHORT_SIZE / RATE) for hertz in (0, 200, 400, 800, 1600, 3200, 6400, RATE / 2)
)
_QUIETEST = 1e-6
"""Energy of an audible frame: 60 dB below the loudest one, and 130 below full scale."""
_TINY = 1e-10
"""Added to powers: 150 dB below that of a tone of full scale."""
_BLOCK = 256
"""Frames transformed at once, so that what is in memory besides the picture stays small."""


Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SpectralShape:
    """Spectra summed up, frame by frame; all of shape (frames,), float32.

    Attributes:
        energy: Sum of the power.
        centroid: Mean frequency by magnitude, Hz.
        bandwidth: Standard deviation of the frequency by magnitude, Hz.
        rolloff: Frequency that 85 % of the magnitude lies below, Hz.
        flatness: Geometric by arithmetic mean of the power, 0 (a tone) to 1 (white noise).
        contrast: Mean over seven octaves from 0..200 Hz up: the loudest fiftieth of a band above
            its quietest, dB (Jiang et al., Music type classification by spectral contrast, 2002).
    """

    energy: Rows
    centroid: Rows
    bandwidth: Rows
    rolloff: Rows
    flatness: Rows
    contrast: Rows

    @property
    def audible(self) -> NDArray[np.bool_]:
        """Which frames there is something to hear in: the rest says nothing of timbre."""
        least = max(_QUIETEST * float(self.energy.max(initial=0.0)), _QUIETEST)
        return np.asarray(self.energy >= least)


@dataclass(frozen=True, slots=True, eq=False)
class _Short:
    mel: Rows
    shape: SpectralShape


def fine_spectrogram(sound: Sound) -> NDArray[np.float32]:
    """Magnitudes for pitch, shape (frames, bins); frame ``i`` is centred at ``i * FINE_HOP``."""
    bins = int(FINE_HIGHEST * FINE_SIZE / RATE) + 1
    parts = [np.abs(block[:, :bins]) for block in spectra(sound, FINE_SIZE, FINE_HOP)]
    return np.concatenate(parts).astype(np.float32, copy=False)


def mel_spectrogram(sound: Sound) -> NDArray[np.float32]:
    """Power in ``MELS`` bands (Slaney's scale), shape (frames, MELS), centred every SHORT_HOP."""
    return sound.share(_short).mel


def spectral_shape(sound: Sound) -> SpectralShape:
    """What the spectrum of each frame of ``mel_spectrogram`` looks like."""
    return sound.share(_short).shape


def spectra(sound: Sound, size: int, hop: int) -> Iterator[NDArray[np.complexfloating]]:
    """Fourier transforms under a Hann window, a block of frames at a time.

    Frame ``i`` is centred at sample ``i * hop``, zeros standing beyond both ends; there are
    ``len(samples) // hop + 1`` of them.
    """
    samples = np.pad(sound.samples, size // 2)
    window = np.hanning(size + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[::hop]
    for start in range(0, len(frames), _BLOCK):
        yield np.fft.rfft(frames[start : start + _BLOCK] * window)


def power(spectrum: NDArray[np.complexfloating]) -> NDArray[np.floating]:
    """Squared magnitudes."""
    return np.asarray(np.square(spectrum.real) + np.square(spectrum.imag))


@cache
def mel_bank() -> NDArray[np.float32]:
    """Triangles of equal area on Slaney's mel scale, shape (SHORT_SIZE / 2 + 1, MELS).

    The scale of M. Slaney's Auditory Toolbox (1998): linear to 1 kHz, logarithmic above.
    """
    top = 15.0 + np.log(RATE / 2 / 1000.0) / (np.log(6.4) / 27.0)
    mels = np.linspace(0.0, top, MELS + 2)
    edges = np.where(
        mels < 15.0, mels * 200.0 / 3.0, 1000.0 * np.exp((mels - 15.0) * np.log(6.4) / 27.0)
    )
    hertz = np.arange(SHORT_SIZE // 2 + 1)[:, None] * (RATE / SHORT_SIZE)
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])
    return np.asarray(triangles, dtype=np.float32)


def _short(sound: Sound) -> _Short:
    """All that is told from short frames, in one pass over them."""
    bank = mel_bank()
    mels, columns = [], []
    for block in spectra(sound, SHORT_SIZE, SHORT_HOP):
        powers = power(block)
        mels.append(powers @ bank)
        columns.append(_shape(powers))
    columns_of = np.concatenate(columns, axis=1).astype(np.float32, copy=False)
    return _Short(np.concatenate(mels).astype(np.float32, copy=False), SpectralShape(*columns_of))


def _shape(powers: NDArray[np.floating]) -> NDArray[np.floating]:
    """The rows of ``SpectralShape``, shape (6, frames)."""
    magnitudes = np.sqrt(powers)
    hertz = np.arange(powers.shape[1], dtype=np.float32) * (RATE / SHORT_SIZE)
    total = magnitudes.sum(axis=1) + _TINY
    centroid = magnitudes @ hertz / total
    spread = magnitudes @ np.square(hertz) / total - np.square(centroid)
    below = np.cumsum(magnitudes, axis=1)
    rolloff = hertz[np.minimum((below < 0.85 * total[:, None]).sum(axis=1), len(hertz) - 1)]
    floored = powers + _TINY
    logs = np.log(floored)
    flatness = np.exp(logs.mean(axis=1)) / floored.mean(axis=1)
    energy = powers.sum(axis=1)
    rows = (energy, centroid, np.sqrt(np.maximum(spread, 0.0)), rolloff, flatness, _contrast(logs))
    return np.stack(rows)


def _contrast(logs: NDArray[np.floating]) -> NDArray[np.floating]:
    differences = []
    for low, high in pairwise(_OCTAVES):
        band = logs[:, low:high]
        count = max(1, (high - low) // 50)
        ordered = np.partition(band, (count - 1, high - low - count), axis=1)
        loud, quiet = ordered[:, -count:].mean(axis=1), ordered[:, :count].mean(axis=1)
        differences.append(loud - quiet)
    return np.asarray(np.mean(differences, axis=0) * (10.0 / np.log(10.0)))
