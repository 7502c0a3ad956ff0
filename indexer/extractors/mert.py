"""MERT frames: what MERT-v1-95M makes of every 13 ms (Li et al., "MERT", ICLR 2024).

CC-BY-NC-4.0: not for commercial use.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from indexer.extractors.protocol import Content, Mono
from indexer.extractors.weights import revision_of
from retrieval.core.errors import AudioError
from retrieval.encoders.checkpoints import missing
from retrieval.encoders.clamp3_files import CONVERTED, load_mert, load_weights
from retrieval.encoders.clamp3_intake import EPSILON
from retrieval.encoders.clamp3_modules import build_mert
from retrieval.encoders.device import choose_compute

RATE = 24_000
HOP, FIELD = 320, 400
"""Samples between two frames, and those that one frame sees before the transformer."""
PIECE = 2_250
"""Frames that attend to each other: 30 s."""
SHORTEST = 75
"""A shorter rest joins the piece before: the first layer normalises over all of a piece."""
_METHOD = ("mert", 2, RATE, PIECE, SHORTEST, EPSILON, "last")


class MertFrames:
    """The last hidden state, (T, width), T = (samples - 400) // 320 + 1, width 768 as published.

    The sound is brought to mean 0 and variance 1 as a whole. Up to 31 s go through at once, as in
    scripts for MERT; longer sound goes in pieces of 30 s whose frames follow each other.
    """

    def __init__(self, weights: Path, *, device: str) -> None:
        """Load.

        Args:
            weights: The folder of MERT, or one that CLAMP3 is read from.
            device: As ``choose_device``.

        Raises:
            PreconditionError: MODEL_MISSING or MODEL_INVALID.
        """
        if not weights.is_dir():
            raise missing(weights, "no folder with MERT: segue models download clamp3")
        if (weights / CONVERTED).is_file():
            files = load_weights(weights)
            tensors, sizes = files.mert, files.mert_sizes
        else:
            tensors, sizes = load_mert(weights)
        self.revision = revision_of("mert", tensors, *_METHOD, sorted(sizes.items()))
        self._device = choose_compute(device.partition(",")[0]).device
        self._model = build_mert(tensors, sizes, weights).to(self._device)

    def extract(self, sound: Mono) -> Sequence[Content]:
        """See ``Extractor``."""
        count = (len(sound) - FIELD) // HOP + 1
        if count < 1:
            raise AudioError("too short for a frame of MERT", reason="AUDIO_TOO_SHORT")
        wide = sound.astype(np.float64)
        scale = 1.0 / np.sqrt(wide.var() + EPSILON)
        normal = ((wide - wide.mean()) * scale).astype(np.float32)
        found = []
        with torch.inference_mode():
            for first, last in pieces(count):
                # To the last sample, which no frame sees: the first layer normalises over it too.
                end = len(normal) if last == count else (last - 1) * HOP + FIELD
                batch = torch.from_numpy(normal[first * HOP : end])[None].to(self._device)
                found.append(self._model(batch).last_hidden_state[0].float().cpu().numpy())
        return (np.concatenate(found),)

    def close(self) -> None:
        """See ``Extractor``."""


def pieces(count: int) -> list[tuple[int, int]]:
    """First frame and the one past the last of each piece of ``count`` >= 1 frames."""
    starts = list(range(0, count, PIECE))
    if len(starts) > 1 and count - starts[-1] < SHORTEST:
        starts.pop()
    return list(zip(starts, [*starts[1:], count], strict=True))
