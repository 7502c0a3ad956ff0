"""CLIP on frames in files: what a picture shows, and how like six words it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.dataset.images import read_jpeg
from retrieval.core.errors import PreconditionError
from retrieval.video.frame_model import BATCH, FrameModel

Rows = NDArray[np.float32]

TOKENIZER = "tokenizer.json"
_FIX = (
    "put openai/clip-vit-large-patch14-336 there (config.json, model.safetensors, tokenizer.json), "
    "or say with --clip where it is"
)


class ClipModel:
    """Loaded when it is first used; used by one thread."""

    def __init__(self, folder: Path, device: str) -> None:
        """Remember where it is.

        Args:
            folder: Of transformers.
            device: As ``choose_device``.
        """
        self._folder = folder
        self._model = FrameModel(folder, device, fix=_FIX)
        self._last: tuple[Path, Rows] | None = None

    def digest(self) -> str:
        """A digest of the weights.

        Raises:
            PreconditionError: MODEL_MISSING if a file or a package is not there.
        """
        found = self._model.digest
        if not (self._folder / TOKENIZER).is_file():
            raise PreconditionError(
                f"{self._folder / TOKENIZER}: not there; {_FIX}", reason="MODEL_MISSING"
            )
        return found

    def embed(self, frames: Path, check: Callable[[], None]) -> Rows:
        """Vectors of the JPEG files in a folder, in order: (T, width), 768 as published.

        Args:
            frames: The folder.
            check: Called between batches; what it raises ends the work.
        """
        if self._last is not None and self._last[0] == frames:
            return self._last[1]
        paths = sorted(frames.glob("*.jpg"))
        found = []
        for start in range(0, len(paths), BATCH):
            check()
            found.append(self._model.embed([read_jpeg(p) for p in paths[start : start + BATCH]]))
        self._last = (frames, np.concatenate(found))
        return self._last[1]

    def likeness(self, images: Rows, words: Sequence[str]) -> Rows:
        """How well each word fits each picture beside the others: softmax, (T, words)."""
        import torch
        from tokenizers import Tokenizer

        model = self._model.network()
        device = next(model.parameters()).device
        tokenizer = Tokenizer.from_file(str(self._folder / TOKENIZER))
        with torch.inference_mode():
            rows = []
            for word in words:
                tokens = torch.tensor([tokenizer.encode(word).ids], device=device)
                read = model.text_model(input_ids=tokens).pooler_output
                rows.append(model.text_projection(read)[0].float().cpu())
            texts = torch.stack(rows).numpy()
            scale = float(model.logit_scale.exp())
        logits = scale * (_unit(images) @ _unit(texts).T)
        exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(exponents / exponents.sum(axis=1, keepdims=True), dtype=np.float32)


def _unit(rows: Rows) -> Rows:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
