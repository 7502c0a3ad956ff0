"""CLAP's two networks, on the stock classes of transformers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import ClapModel

from retrieval.encoders.batching import by_length
from retrieval.encoders.checkpoints import fit
from retrieval.encoders.clap_files import ClapWeights
from retrieval.encoders.clap_mel import MelFrontEnd


class ClapTowers:
    """Windows of sound and token ids to vectors of length 1.

    Attributes:
        dim: Dimensions of the joint space.
        vocabulary: Tokens of the text tower.
    """

    def __init__(
        self, weights: ClapWeights, device: torch.device, *, windows: int, texts: int
    ) -> None:
        """Build the networks.

        Args:
            weights: Their tensors and sizes.
            device: Where they run.
            windows: Windows that go through at once.
            texts: Texts of one length that go through at once.
        """
        config = weights.config
        with torch.device("meta"):
            model = ClapModel(config)
        fit(model, weights.tensors, weights.path)
        self._model = model.to(device)
        self._mel = MelFrontEnd(device, fused=bool(config.audio_config.enable_fusion))
        self._device = device
        self._windows, self._texts = windows, texts
        self.dim = int(config.projection_dim)
        self.vocabulary = int(config.text_config.vocab_size)

    def hear(self, windows: Sequence[NDArray[np.int16]]) -> NDArray[np.float32]:
        """Vectors (n, dim) of windows of 1 to 480,000 samples."""
        vectors = np.empty((len(windows), self.dim), dtype=np.float32)
        for start in range(0, len(windows), self._windows):
            part = windows[start : start + self._windows]
            with torch.inference_mode():
                found = self._model.get_audio_features(
                    self._mel(part),
                    # No window is longer than 10 s, so a fused model has nothing to fuse; left to
                    # itself it would call one of them longer at random.
                    is_longer=torch.zeros((len(part), 1), dtype=torch.bool, device=self._device),
                ).pooler_output
            vectors[start : start + len(part)] = found.cpu().numpy()
        return vectors

    def read(self, texts: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Vectors (n, dim) of token ids, never padded."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for places in by_length([len(ids) for ids in texts], self._texts):
            ids = torch.from_numpy(np.stack([texts[place] for place in places]))
            with torch.inference_mode():
                found = self._model.get_text_features(ids.to(self._device)).pooler_output
            vectors[places] = found.cpu().numpy()
        return vectors
