"""CLAP's two networks, on the stock classes of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import ClapModel

from retrieval.encoders.canaries import canary_tokens
from retrieval.encoders.checkpoints import fit
from retrieval.encoders.clap_files import ClapWeights
from retrieval.encoders.clap_mel import MelFrontEnd
from retrieval.encoders.clap_windows import SAMPLES, fill
from retrieval.encoders.device import Compute, batch_size
from retrieval.encoders.network import Network


class Hearing(torch.nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """Log-mel pictures to vectors of length 1."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder, self.projection = model.audio_model.audio_encoder, model.audio_projection
        # No window is longer than 10 s, so a fused model has nothing to fuse; left to itself it
        # would look for longer ones, and a GPU would wait for the answer.
        self.encoder.enable_fusion = self.encoder.patch_embed.enable_fusion = False

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        """Vectors (n, dim) of pictures (n, 1, 1001, 64)."""
        pooled = self.encoder(input_features=mel).pooler_output
        return torch.nn.functional.normalize(self.projection(pooled).float(), dim=-1)


class Reading(torch.nn.Module):  # type: ignore[misc] # as above
    """Token ids to vectors of length 1."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder, self.projection = model.text_model, model.text_projection

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Vectors (n, dim) of token ids (n, length)."""
        pooled = self.encoder(input_ids=ids).pooler_output
        return torch.nn.functional.normalize(self.projection(pooled), dim=-1)


class ClapTowers:
    """Windows of sound and token ids to vectors of length 1.

    Attributes:
        dim: Dimensions of the joint space.
        vocabulary: Tokens of the text tower.
    """

    def __init__(self, weights: ClapWeights, compute: Compute) -> None:
        """Build the networks.

        Args:
            weights: Their tensors and sizes.
            compute: Where and how they run.
        """
        config = weights.config
        with torch.device("meta"):
            model = ClapModel(config)
        fit(model, weights.tensors, weights.path)
        self.dim = int(config.projection_dim)
        self.vocabulary = int(config.text_config.vocab_size)
        canary = _canary()
        self._sound = Network(
            Hearing(model).eval(),
            compute,
            name="clap sound",
            identity=f"sound:{weights.digest}",
            dim=self.dim,
            batch=batch_size(compute.device, cpu=1, accelerated=32),
            canaries=[canary, canary[:1]],
            front=MelFrontEnd(compute.device, fused=bool(config.audio_config.enable_fusion)),
            windows=True,
        )
        self._text = Network(
            Reading(model).eval(),
            compute,
            name="clap text",
            identity=f"text:{weights.digest}",
            dim=self.dim,
            batch=batch_size(compute.device, cpu=16, accelerated=64),
            canaries=canary_tokens(self.vocabulary),
        )

    def hear(self, windows: Sequence[NDArray[np.int16]]) -> NDArray[np.float32]:
        """Vectors (n, dim) of windows of 1 to 480,000 samples."""
        return self._sound([fill(window) for window in windows])

    def read(self, texts: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Vectors (n, dim) of token ids, never padded."""
        return self._text(texts)


def _canary() -> NDArray[np.int16]:
    """Two windows: a chord, and noise that fades out."""
    time = np.arange(SAMPLES, dtype=np.float32) / SAMPLES
    chord = sum(np.sin(np.float32(2 * np.pi * 10 * hertz) * time) for hertz in (220, 277, 330))
    noise = np.random.default_rng(0).standard_normal(SAMPLES, dtype=np.float32) * (1 - time)
    return np.stack([chord * 6_000, noise * 3_000]).astype(np.int16)
