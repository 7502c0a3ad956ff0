"""CLIP on frames: what a picture shows, and how like six words it is.

CLIP (Radford et al., 2021), the Vision Transformer L/14 for pictures of 336 pixels, as transformers
keeps it in a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.dataset.graph import digest_of
from indexer.dataset.images import read_jpeg
from retrieval.core.errors import PreconditionError

Rows = NDArray[np.float32]

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
_FILES = (WEIGHTS, "config.json", TOKENIZER)
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)
_BATCH = 8
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
        self._folder, self._device_name = folder, device
        self._digest = ""
        self._model: Any = None
        self._last: tuple[Path, Rows] | None = None

    def digest(self) -> str:
        """A digest of the weights.

        Raises:
            PreconditionError: MODEL_MISSING if a file or a package is not there.
        """
        if not self._digest:
            for name in _FILES:
                if not (self._folder / name).is_file():
                    raise PreconditionError(
                        f"{self._folder / name}: not there; {_FIX}", reason="MODEL_MISSING"
                    )
            try:
                import torch  # noqa: F401 - to find out before the first video
                import transformers  # noqa: F401 - as above
            except ImportError as error:
                raise PreconditionError(
                    "CLIP needs more packages: pip install 'segue[dataset]'", reason="MODEL_MISSING"
                ) from error
            self._digest = digest_of(self._folder / WEIGHTS)
        return self._digest

    def embed(self, frames: Path, check: Callable[[], None]) -> Rows:
        """Vectors of the JPEG files in a folder, in order: (T, width), 768 as published.

        Args:
            frames: The folder.
            check: Called between batches; what it raises ends the work.
        """
        if self._last is not None and self._last[0] == frames:
            return self._last[1]
        import torch

        model = self._loaded()
        device = next(model.parameters()).device
        size = int(model.config.vision_config.image_size)
        paths = sorted(frames.glob("*.jpg"))
        found = []
        with torch.inference_mode():
            for start in range(0, len(paths), _BATCH):
                check()
                batch = [_pixels(read_jpeg(path), size) for path in paths[start : start + _BATCH]]
                seen = model.vision_model(pixel_values=torch.cat(batch).to(device))
                rows = model.visual_projection(seen.pooler_output)
                found.append(rows.float().cpu().numpy())
        self._last = (frames, np.concatenate(found))
        return self._last[1]

    def likeness(self, images: Rows, words: Sequence[str]) -> Rows:
        """How well each word fits each picture beside the others: softmax, (T, words)."""
        import torch
        from tokenizers import Tokenizer

        model = self._loaded()
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

    def _loaded(self) -> Any:
        if self._model is None:
            from transformers import CLIPModel
            from transformers.utils.logging import disable_progress_bar

            from retrieval.encoders.device import choose_compute

            compute = choose_compute(self._device_name.partition(",")[0])
            disable_progress_bar()
            try:
                model, told = CLIPModel.from_pretrained(
                    self._folder,
                    local_files_only=True,
                    use_safetensors=True,
                    output_loading_info=True,
                )
            except (OSError, RuntimeError, ValueError) as error:
                raise self._invalid() from error
            # What is missing would be made up.
            if told["missing_keys"] or told["mismatched_keys"]:
                raise self._invalid()
            self._model = model.eval().requires_grad_(False).to(compute.device)
        return self._model

    def _invalid(self) -> PreconditionError:
        return PreconditionError(f"{self._folder}: no CLIP; {_FIX}", reason="MODEL_INVALID")


def _pixels(picture: NDArray[np.uint8], size: int) -> Any:
    """The middle of a picture, the shorter side brought to ``size``: (1, 3, size, size)."""
    import torch
    from torch.nn.functional import interpolate

    values = torch.from_numpy(picture.astype(np.float32) / 255.0).permute(2, 0, 1)[None]
    height, width = values.shape[2:]
    scale = size / min(height, width)
    target = (max(size, round(height * scale)), max(size, round(width * scale)))
    if target != (height, width):
        values = interpolate(values, target, mode="bicubic", antialias=True).clamp(0, 1)
    top, left = (target[0] - size) // 2, (target[1] - size) // 2
    values = values[:, :, top : top + size, left : left + size]
    mean, deviation = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (_MEAN, _DEVIATION))
    return (values - mean) / deviation


def _unit(rows: Rows) -> Rows:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))
