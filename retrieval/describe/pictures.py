"""Spectrograms that several descriptors look at; each a function for ``Sound.share``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

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
_BLOCK = 256
"""Frames transformed at once, so that what is in memory besides the picture stays small."""


def fine_spectrogram(sound: Sound) -> NDArray[np.float32]:
    """Magnitudes for pitch, shape (frames, bins); frame ``i`` is centred at ``i * FINE_HOP``."""
    bins = int(FINE_HIGHEST * FINE_SIZE / RATE) + 1
    parts = [np.abs(block[:, :bins]) for block in spectra(sound, FINE_SIZE, FINE_HOP)]
    return np.concatenate(parts).astype(np.float32, copy=False)


def mel_spectrogram(sound: Sound) -> NDArray[np.float32]:
    """Power in ``MELS`` bands (Slaney's scale), shape (frames, MELS), centred every SHORT_HOP."""
    bank = mel_bank()
    parts = [power(block) @ bank for block in spectra(sound, SHORT_SIZE, SHORT_HOP)]
    return np.concatenate(parts).astype(np.float32, copy=False)


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
