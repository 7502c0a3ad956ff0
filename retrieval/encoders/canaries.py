"""Checks at start-up for failures of text models that make no noise.

A tokenizer that could not be found may be replaced by an empty one, and some published checkpoints
have a text tower that gives every text the same vector: searches then return nonsense, politely.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.checkpoints import invalid

CANARIES = (
    "a fast classical piano piece",
    "heavy metal with distorted guitars and screaming",
    "birdsong in a quiet forest",
    "a man gives a speech",
    "deep house with a steady kick drum",
)
"""Texts that no sound model may confuse."""

REAL_VOCABULARY = 10_000
"""Smaller vocabularies are those of tests, with random weights that mean nothing."""


def check_vocabulary(tokenizer: Path, found: int, rows: int) -> None:
    """Compare a tokenizer with the text tower behind it.

    Args:
        tokenizer: Named in the error.
        found: Tokens it knows.
        rows: Rows of the tower's embedding.

    Raises:
        PreconditionError: MODEL_INVALID if they differ.
    """
    if found != rows:
        raise invalid(
            tokenizer,
            f"it has {found} tokens, and the text model {rows}: this is another model's "
            "tokenizer, or a download that failed",
        )


def check_texts(weights: Path, vectors: NDArray[np.float32], *, limit: float) -> None:
    """See that a text tower tells the canaries apart.

    Args:
        weights: Named in the error.
        vectors: Those of ``CANARIES``, shape (n, dim).
        limit: Cosine that no two of them may reach.

    Raises:
        PreconditionError: MODEL_INVALID if two texts are closer, or a vector is zero or not finite.
    """
    wide = vectors.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    if not np.all(np.isfinite(wide)) or not np.all(norms > 0):
        raise invalid(weights, "its text vectors are not finite, or zero: the file is damaged")
    cosines = (wide / norms) @ (wide / norms).T
    closest = float(np.max(cosines[~np.eye(len(wide), dtype=bool)]))
    if closest >= limit:
        raise invalid(
            weights,
            f"its text tower has collapsed: different texts have a cosine of {closest:.4f} "
            f"(below {limit:g} is sound); use another checkpoint",
        )
