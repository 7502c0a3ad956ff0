"""OpenL3: 512 values every 0.1 s (Cramer et al., "Look, Listen, and Learn More", ICASSP 2019).

The published network in PyTorch, on the weights that torchopenl3 converted. The spectrogram is that
of kapre 0.1.4, which the network was trained on; its mel filters come with the weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from indexer.extractors.protocol import Content, Mono
from indexer.extractors.weights import find_file, read_checkpoint, revision_of
from retrieval.encoders.checkpoints import fit, invalid, take_tensors
from retrieval.encoders.device import choose_compute

RATE, HOP = 48_000, 4_800
"""Hz, and samples between two windows of one second."""
FFT, FFT_HOP = 2_048, 242
_PAD = FFT - RATE % FFT_HOP
"""Zeros around a window, so that its last step is whole ("same" of Keras)."""
_RANGE = 80.0
"""Decibels below the loudest that count."""
_POOL = {128: (16, 24), 256: (32, 24)}
"""By number of mel bands: what the last layer is pooled over, so that 512 values are left."""
_CHANNELS = (64, 64, 128, 128, 256, 256, 512, 512)
_BATCH = 16
_METHOD = ("openl3", 2, RATE, HOP, FFT, FFT_HOP, _RANGE)
_FIX = "give torchopenl3_mel256_music_512.pth.tar (or mel128) of torchopenl3-models"


class OpenL3Network(torch.nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """Eight convolutions of 3 × 3, pooled by 2 × 2 after every second one."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.register_buffer("mel_basis", torch.zeros(bands, FFT // 2 + 1))
        self._pool = _POOL[bands]
        self.batch_normalization_1 = torch.nn.BatchNorm2d(1, eps=1e-3)
        before = 1
        for number, width in enumerate(_CHANNELS, 1):
            convolution = torch.nn.Conv2d(before, width, 3, padding=1)
            if number == len(_CHANNELS):
                self.audio_embedding_layer = convolution
            else:
                setattr(self, f"conv2d_{number}", convolution)
                normal = torch.nn.BatchNorm2d(width, eps=1e-3)
                setattr(self, f"batch_normalization_{number + 1}", normal)
            before = width

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Vectors (n, 512) of windows (n, 48,000)."""
        x = self.batch_normalization_1(self._spectrogram(windows)[:, None])
        for number in range(1, len(_CHANNELS)):
            x = getattr(self, f"conv2d_{number}")(x)
            x = functional.relu(getattr(self, f"batch_normalization_{number + 1}")(x))
            if number % 2 == 0:
                x = functional.max_pool2d(x, 2)
        x = functional.max_pool2d(self.audio_embedding_layer(x), self._pool)
        # Channels last, as in the published order of values.
        return x.permute(0, 2, 3, 1).flatten(1)

    def _spectrogram(self, windows: torch.Tensor) -> torch.Tensor:
        # In double precision, which Apple's GPUs have not: what counts reaches down to 1e-8 of the
        # loudest amplitude, where single precision has nothing but rounding.
        where = "cpu" if windows.device.type == "mps" else windows.device
        padded = functional.pad(windows.to(where).double(), (_PAD // 2, _PAD - _PAD // 2))
        window = torch.hann_window(FFT, dtype=torch.float64, device=where)
        spectrum = torch.stft(
            padded, FFT, FFT_HOP, window=window, center=False, return_complex=True
        )
        amplitude = (self.mel_basis.to(where).double() @ spectrum.abs().square()).sqrt()
        decibels = 10.0 * amplitude.clamp(min=1e-10).log10()
        top = decibels.amax(dim=(1, 2), keepdim=True)
        return (decibels - top).clamp(min=-_RANGE).float().to(windows.device)


class OpenL3:
    """Windows of one second around 0, 0.1, 0.2, … s: (T, 512)."""

    def __init__(self, weights: Path, *, device: str) -> None:
        """Load.

        Args:
            weights: torchopenl3's file for a mel spectrogram, or its folder.
            device: As ``choose_device``.

        Raises:
            PreconditionError: MODEL_MISSING or MODEL_INVALID.
        """
        path = find_file(weights, ["*openl3*.pth*", "*openl3*.safetensors"], _FIX)
        tensors = take_tensors(read_checkpoint(path), path)
        tensors = {
            name.removeprefix("speclayer."): tensor
            for name, tensor in tensors.items()
            # The transform as a convolution; ours is a fast one.
            if not name.startswith("speclayer.dft_")
        }
        bands = len(tensors.get("mel_basis", ()))
        if bands not in _POOL:
            raise invalid(path, f"no OpenL3 network for 128 or 256 mel bands: {_FIX}")
        with torch.device("meta"):
            network = OpenL3Network(bands)
        fit(network, tensors, path)
        self._device = choose_compute(device.partition(",")[0]).device
        self._network = network.to(self._device)
        self.revision = revision_of("openl3", tensors, *_METHOD)

    def extract(self, sound: Mono) -> Sequence[Content]:
        """See ``Extractor``."""
        # The first window is centred on the first sample; the last is filled up.
        length = len(sound) + RATE // 2
        windows = 1 + max(0, math.ceil((length - RATE) / HOP))
        whole = RATE + (windows - 1) * HOP
        padded = torch.from_numpy(np.pad(sound, (RATE // 2, whole - length)))
        frames = padded.unfold(0, RATE, HOP)
        found = []
        with torch.inference_mode():
            for start in range(0, len(frames), _BATCH):
                batch = frames[start : start + _BATCH].to(self._device)
                found.append(self._network(batch).cpu().numpy())
        return (np.concatenate(found),)

    def close(self) -> None:
        """See ``Extractor``."""
