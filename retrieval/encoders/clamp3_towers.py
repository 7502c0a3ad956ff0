"""The towers of CLAMP3: windows of sound to rows, rows to vectors, and texts to vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.canaries import canary_noise, canary_tokens
from retrieval.encoders.clamp3_files import Clamp3Facts
from retrieval.encoders.device import Compute, batch_size
from retrieval.encoders.network import Built, Network, Traits
from retrieval.encoders.weights_memo import LazyWeights

if TYPE_CHECKING:
    from retrieval.encoders.clamp3_modules import Clamp3Modules

    Weights = LazyWeights[Clamp3Facts, Clamp3Modules]

Rows = NDArray[np.float32]

_CODE = "retrieval.encoders.clamp3_modules"


class MertTower:
    """Windows of 24 kHz sound to one row each: the mean over time, then over all layers."""

    def __init__(self, weights: Weights, compute: Compute) -> None:
        """Build nothing yet.

        Args:
            weights: Of all towers.
            compute: Where and how it runs.
        """
        self._network = Network(
            lambda: weights.model.mert,
            compute,
            Traits(
                name="clamp3 sound",
                identity=f"mert:{weights.facts.digest}",
                code=_CODE,
                dim=weights.facts.audio_size,
                canaries=[canary_noise(2, 24_000), canary_noise(1, 30_000)],
                windows=True,
            ),
            batch=batch_size(compute.kind, cpu=1, accelerated=32),
        )

    def __call__(self, windows: Sequence[NDArray[np.float32]]) -> Rows:
        """One row per window, shape (n, width).

        Windows of different lengths never share a batch: the first layer normalises over time, so
        that padding would change the result.
        """
        return self._network(windows)


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of at most ``length`` rows, and what it counts in the mean over pieces."""

    start: int
    end: int
    weight: int


def pieces(count: int, length: int) -> list[Piece]:
    """Cut ``count`` >= 1 rows into pieces as CLAMP3 does.

    The last piece is always the last ``length`` rows, so it overlaps the one before, and counts
    only for the rows that no other piece has.
    """
    if count <= length:
        return [Piece(0, count, count)]
    whole = [Piece(start, start + length, length) for start in range(0, count - length + 1, length)]
    rest = count % length
    return [*whole, Piece(count - length, count, rest)] if rest else whole


class _PiecewiseTower:
    """Sequences of any length to one vector each: encoder, mean, projection, mean of pieces."""

    def __init__(self, build: Callable[[], Built], compute: Compute, traits: Traits, length: int):
        self._length, self.dim = length, traits.dim
        self._network = Network(
            build, compute, traits, batch=batch_size(compute.kind, cpu=16, accelerated=64)
        )

    def _encode(self, sequences: Sequence[NDArray[Any]]) -> Rows:
        cut = [(i, p) for i, rows in enumerate(sequences) for p in pieces(len(rows), self._length)]
        found = self._network([sequences[i][p.start : p.end] for i, p in cut])
        vectors = np.zeros((len(sequences), self.dim), dtype=np.float64)
        totals = np.zeros((len(sequences), 1), dtype=np.float64)
        for (i, p), vector in zip(cut, found, strict=True):
            vectors[i] += p.weight * vector.astype(np.float64)
            totals[i] += p.weight
        return np.asarray(vectors / totals, dtype=np.float32)


class AudioTower(_PiecewiseTower):
    """MERT's rows to vectors of the joint space."""

    def __init__(self, weights: Weights, compute: Compute) -> None:
        """Build nothing yet; the arguments are those of ``MertTower``."""
        facts = weights.facts
        width, length = facts.audio_size, facts.audio_length
        traits = Traits(
            name="clamp3 tracks",
            identity=f"rows:{facts.digest}",
            code=_CODE,
            dim=facts.hidden,
            canaries=[canary_noise(2, 5, width), canary_noise(1, length, width)],
        )
        super().__init__(lambda: weights.model.tracks, compute, traits, length)

    def __call__(self, tracks: Sequence[Rows]) -> Rows:
        """One vector per sequence of rows (n, width), n >= 1; shape (len(tracks), dim).

        A zero row goes before and one after, and both count in the mean.
        """
        return self._encode([np.pad(rows, ((1, 1), (0, 0))) for rows in tracks])


class TextTower(_PiecewiseTower):
    """Token ids to vectors of the joint space."""

    def __init__(self, weights: Weights, compute: Compute) -> None:
        """Build nothing yet; the arguments are those of ``MertTower``."""
        facts = weights.facts
        traits = Traits(
            name="clamp3 text",
            identity=f"text:{facts.digest}",
            code=_CODE,
            dim=facts.hidden,
            canaries=canary_tokens(facts.vocabulary),
        )
        super().__init__(lambda: weights.model.texts, compute, traits, facts.text_length)

    def __call__(self, texts: Sequence[NDArray[np.int64]]) -> Rows:
        """One vector per text, its token ids of shape (n,) with ``<s>`` and ``</s>``."""
        return self._encode(texts)
