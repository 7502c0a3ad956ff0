"""CLAP's picture of a sound: 64 log-mel bands of 10 s at 48 kHz.

Formulas: Slaney's and the HTK mel scale as in librosa and HTK; window, hop and band limits as
LAION-AI/CLAP trains them (``facts`` of the HTSAT configurations: 1024, 480, 50 to 14,000 Hz).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.encoders.clap_windows import PEAK, SAMPLE_RATE

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
        # Bands next to silence drown in the rounding of a fast transform in single precision. Fused
        # models were trained with just that; the others on plain sums, which keep more of them.
        exact = not fused and device.type != "mps"  # It has no double precision.
        self._dtype = torch.float64 if exact else torch.float32
        self._window = torch.hann_window(FFT, dtype=self._dtype, device=device)
        bank = mel_filters(htk=fused).astype(np.float32)
        self._filters = torch.from_numpy(bank).to(device)

    def __call__(self, windows: torch.Tensor) -> torch.Tensor:
        """Decibels of shape (n, 1, 1001, 64) for windows of 16 bits, shape (n, 480,000)."""
        sound = (windows.float() / PEAK).to(self._dtype)
        spectrum = torch.stft(
            sound, FFT, HOP, window=self._window, pad_mode="reflect", return_complex=True
        )
        power = (spectrum.real**2 + spectrum.imag**2).float()
        mel = (self._filters @ power).clamp_(min=FLOOR).log10_().mul_(10.0)
        return mel.transpose(1, 2)[:, None]


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
