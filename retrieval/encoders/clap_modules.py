"""CLAP's two networks, on the stock classes of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import ClapModel

from retrieval.encoders.checkpoints import fit
from retrieval.encoders.clap_files import ClapWeights
from retrieval.encoders.network import Built


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


class ClapModules:
    """Both networks with their weights."""

    def __init__(self, weights: ClapWeights) -> None:
        """Build them.

        Args:
            weights: Their tensors and sizes.

        Raises:
            PreconditionError: MODEL_INVALID if the tensors do not fit.
        """
        with torch.device("meta"):
            self._model = ClapModel(weights.config)
        fit(self._model, weights.tensors, weights.path)
        self._path: Path = weights.path

    def hearing(self) -> Built:
        """The network for log-mel pictures."""
        return Built(Hearing(self._model).eval(), self._path)

    def reading(self) -> Built:
        """The network for token ids."""
        return Built(Reading(self._model).eval(), self._path)
