"""CLAP's picture of a sound: 64 log-mel bands of 10 s at 48 kHz.

Formulas: Slaney's and the HTK mel scale as in librosa and HTK; window, hop and band limits as
LAION-AI/CLAP trains them (``facts`` of the HTSAT configurations: 1024, 480, 50 to 14,000 Hz).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.clap_windows import PEAK, SAMPLE_RATE

if TYPE_CHECKING:
    import torch

FFT, HOP, BANDS = 1024, 480, 64
LOWEST, HIGHEST = 50.0, 14_000.0
FLOOR = 1e-10


class MelFrontEnd:
    """Windows of 16-bit samples to log-mel power in decibels."""

    def __init__(self, device: torch.device, *, fused: bool) -> None:
        """Design the filters.

        Args:
            device: Where the pictures are made.
            fused: Of models with feature fusion, which were trained on HTK's scale and filters of
                equal height; the others on Slaney's, of equal area.
        """
        import torch

        # Bands next to silence drown in the rounding of a fast transform in single precision. Fused
        # models were trained with just that; the others on plain sums, which keep more of them.
        exact = not fused and device.type != "mps"  # It has no double precision.
        self._dtype = torch.float64 if exact else torch.float32
        self._window = torch.hann_window(FFT, dtype=self._dtype, device=device)
        bank = mel_filters(htk=fused).astype(np.float32)
        self._filters = torch.from_numpy(bank).to(device)

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Decibels of shape (n, 1, 1001, 64) for windows of 16 bits, shape (n, 480,000)."""
        import torch

        sound = (windows.float() / PEAK).to(self._dtype)
        spectrum = torch.stft(
            sound, FFT, HOP, window=self._window, pad_mode="reflect", return_complex=True
        )
        power = (spectrum.real**2 + spectrum.imag**2).float()
        mel = (self._filters @ power).clamp_(min=FLOOR).log10_().mul_(10.0)
        return mel.transpose(1, 2)[:, None]


def host_mel(*, fused: bool) -> Callable[[NDArray[np.int16]], NDArray[np.float32]]:
    """The same on the CPU: decibels (n, 1, 1001, 64) of windows of 16 bits (n, 480,000).

    Args:
        fused: As ``MelFrontEnd``. What fused models were trained with takes PyTorch's own rounding;
            what the others were trained with is plain sums, which need no PyTorch.
    """
    return _rounded if fused else _exact


def _rounded(windows: NDArray[np.int16]) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        return np.asarray(_front()(torch.from_numpy(windows)).numpy())


@cache
def _front() -> MelFrontEnd:
    import torch

    return MelFrontEnd(torch.device("cpu"), fused=True)


def _exact(windows: NDArray[np.int16]) -> NDArray[np.float32]:
    window, bands = _design()
    pictures = np.empty((len(windows), 1, 1 + windows.shape[1] // HOP, BANDS), np.float32)
    for samples, picture in zip(windows, pictures, strict=True):
        sound = (samples.astype(np.float32) / np.float32(PEAK)).astype(np.float64)
        padded = np.pad(sound, FFT // 2, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, FFT)[::HOP]
        spectrum = np.fft.rfft(frames * window)
        power = spectrum.real**2 + spectrum.imag**2
        for band, (first, weights) in enumerate(bands):
            heard = power[:, first : first + len(weights)]
            # Not a product of matrices, whose threads would wait for each other beside others'.
            picture[0, :, band] = np.einsum("tk,k->t", heard, weights)
    return np.log10(np.maximum(pictures, FLOOR)) * np.float32(10.0)


@cache
def _design() -> tuple[NDArray[np.float64], list[tuple[int, NDArray[np.float64]]]]:
    """Hann's window, and of each filter its first bin and its weights."""
    turn = 2 * np.pi * np.arange(FFT) / FFT
    bands = []
    for row in mel_filters(htk=False).astype(np.float32).astype(np.float64):
        (bins,) = np.nonzero(row)
        bands.append((int(bins[0]), row[bins[0] : bins[-1] + 1]))
    return 0.5 - 0.5 * np.cos(turn), bands


def mel_filters(*, htk: bool) -> NDArray[np.float64]:
    """Triangular filters, shape (64, 513): HTK's of height 1, or Slaney's of area 1."""
    hertz = np.linspace(0.0, SAMPLE_RATE / 2, FFT // 2 + 1)
    if htk:
        low, high = (2595.0 * np.log10(1.0 + np.array([LOWEST, HIGHEST]) / 700.0)).tolist()
        edges = 700.0 * (10.0 ** (np.linspace(low, high, BANDS + 2) / 2595.0) - 1.0)
    else:
        low, high = _slaney(LOWEST), _slaney(HIGHEST)
        edges = _from_slaney(np.linspace(low, high, BANDS + 2))
    width = np.diff(edges)
    rising = (hertz[None, :] - edges[:-2, None]) / width[:-1, None]
    falling = (edges[2:, None] - hertz[None, :]) / width[1:, None]
    bank = np.maximum(0.0, np.minimum(rising, falling))
    return bank if htk else bank * (2.0 / (edges[2:] - edges[:-2]))[:, None]


# Slaney's scale is linear to 1 kHz (15 mel) and logarithmic above, 27 mel for a factor of 6.4.
_STEP = float(np.log(6.4)) / 27.0


def _slaney(hertz: float) -> float:
    return hertz * 3 / 200 if hertz < 1000 else 15 + float(np.log(hertz / 1000)) / _STEP


def _from_slaney(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(_STEP * (np.maximum(mel, 15) - 15)))
