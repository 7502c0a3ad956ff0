"""Tokenizers, and checks at start-up for failures of text models that make no noise.

A tokenizer that could not be found may be replaced by an empty one, and some published checkpoints
have a text tower that gives every text the same vector: searches then return nonsense, politely.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.checkpoints import invalid
from retrieval.encoders.proofs import Proofs

CANARIES = (
    "a fast classical piano piece",
    "heavy metal with distorted guitars and screaming",
    "birdsong in a quiet forest",
    "a man gives a speech",
    "deep house with a steady kick drum",
)
"""Texts that no sound model may confuse."""

REAL_VOCABULARY = 10_000
"""Smaller vocabularies are those of tests, whose random weights mean nothing."""

TextPath = Callable[[Sequence[str]], NDArray[np.float32]]


def load_tokenizer(path: Path, *, rows: int, longest: int | None = None) -> Any:
    """A ``tokenizer.json`` for the text tower behind it.

    Args:
        path: The file.
        rows: Rows of the tower's embedding.
        longest: Tokens to cut texts to; None for no limit.

    Raises:
        PreconditionError: MODEL_INVALID if the file is broken or another model's.
    """
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    # The library raises bare exceptions.
    except Exception as error:
        raise invalid(path, "not a tokenizer of the tokenizers library") from error
    tokenizer.no_padding()
    if longest is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(longest)
    found = tokenizer.get_vocab_size()
    if found != rows:
        raise invalid(
            path,
            f"it has {found} tokens, and the text model {rows}: this is another model's "
            "tokenizer, or a download that failed",
        )
    return tokenizer


class LazyTokenizer:
    """A tokenizer that is loaded for the first text; see ``load_tokenizer``."""

    def __init__(self, path: Path, *, rows: int, longest: int | None = None) -> None:
        """Load nothing yet; the arguments are those of ``load_tokenizer``."""
        self._path, self._rows, self._longest = path, rows, longest
        self._lock = Lock()
        self._loaded: Any = None

    def load(self) -> Any:
        """The tokenizer itself.

        Raises:
            PreconditionError: As ``load_tokenizer``.
        """
        with self._lock:
            if self._loaded is None:
                self._loaded = load_tokenizer(self._path, rows=self._rows, longest=self._longest)
            return self._loaded

    def ids(self, text: str) -> NDArray[np.int64]:
        """Token ids of a text, shape (n,)."""
        return np.asarray(self.load().encode(text).ids, dtype=np.int64)


def check_texts(
    weights: Path,
    encode: TextPath,
    *,
    vocabulary: int,
    limit: float,
    identity: str,
    proofs: Proofs,
) -> None:
    """See, once for each model, that a text tower tells the canaries apart.

    Args:
        weights: Named in the error.
        encode: Texts to vectors (n, dim).
        vocabulary: Tokens of the model; below ``REAL_VOCABULARY`` nothing is checked.
        limit: Cosine that no two of the canaries may reach.
        identity: Of the tower and its tokenizer.
        proofs: Where it is remembered that they do.

    Raises:
        PreconditionError: MODEL_INVALID if two texts are closer, or a vector is zero or not finite.
    """
    claim = ("texts", identity, CANARIES, limit)
    if vocabulary < REAL_VOCABULARY or proofs.holds(*claim):
        return
    wide = encode(CANARIES).astype(np.float64)
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
    proofs.keep(*claim)
