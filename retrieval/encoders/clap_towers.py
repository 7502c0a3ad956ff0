"""CLAP's two towers: windows of sound and texts to vectors of one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.canaries import canary_tokens
from retrieval.encoders.clap_files import ClapFacts
from retrieval.encoders.clap_mel import MelFrontEnd, host_mel
from retrieval.encoders.clap_windows import SAMPLES, fill
from retrieval.encoders.device import Compute, batch_size
from retrieval.encoders.network import Built, Network, Traits
from retrieval.encoders.weights_memo import LazyWeights

if TYPE_CHECKING:
    from retrieval.encoders.clap_modules import ClapModules

_CODE = "retrieval.encoders.clap_modules"


class ClapTowers:
    """Windows of sound and token ids to vectors of length 1."""

    def __init__(self, weights: LazyWeights[ClapFacts, ClapModules], compute: Compute) -> None:
        """Build nothing yet.

        Args:
            weights: Of both.
            compute: Where and how they run.
        """
        facts, kind = weights.facts, compute.kind
        canary = _canary()

        def hearing() -> Built:
            built = weights.model.hearing()
            if kind == "cpu":
                return built
            return replace(built, front=MelFrontEnd(compute.device, fused=facts.fused))

        def reading() -> Built:
            return weights.model.reading()

        self._sound = Network(
            hearing,
            compute,
            Traits(
                name="clap sound",
                identity=f"sound:{facts.digest}",
                code=_CODE,
                dim=facts.dim,
                canaries=[canary, canary[:1]],
                windows=True,
            ),
            batch=batch_size(kind, cpu=1, accelerated=32),
            host=host_mel(fused=facts.fused) if kind == "cpu" else None,
        )
        self._text = Network(
            reading,
            compute,
            Traits(
                name="clap text",
                identity=f"text:{facts.digest}",
                code=_CODE,
                dim=facts.dim,
                canaries=canary_tokens(facts.vocabulary),
            ),
            batch=batch_size(kind, cpu=16, accelerated=64),
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
