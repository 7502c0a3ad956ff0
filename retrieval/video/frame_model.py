"""CLIP on frames: what a picture shows, as a vector that trained models take.

CLIP (Radford et al. 2021) as transformers keeps it in a folder, weights in safetensors; nothing is
ever downloaded.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import PreconditionError
from retrieval.core.video import FrameEmbeddings
from retrieval.video.clips import ClipDecoder
from retrieval.video.limits import Sampling, VideoLimits
from retrieval.video.model_inputs import MAX_SECONDS

Rows = NDArray[np.float32]
Picture = NDArray[np.uint8]

WEIGHTS, CONFIG = "model.safetensors", "config.json"
BATCH = 8
"""Pictures at once."""
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


class FrameModel:
    """Loaded when it is first used; safe from several threads."""

    def __init__(self, folder: Path, device: str, *, fix: str = "") -> None:
        """Remember where it is.

        Args:
            folder: With ``config.json`` and ``model.safetensors``.
            device: As ``choose_device`` takes it.
            fix: What to do where there is no model, for errors.
        """
        self._folder, self._device = folder, device
        self._fix = fix or "put a CLIP model of transformers there (SEGUE_VIDEO_FRAMES)"
        self._network: Any = None
        self._digest = ""
        self._lock = threading.Lock()

    @property
    def digest(self) -> str:
        """Of the weights, 32 hexadecimal digits.

        Raises:
            PreconditionError: MODEL_MISSING if a file or a package is not there.
        """
        with self._lock:
            if not self._digest:
                self._check()
                with (self._folder / WEIGHTS).open("rb") as file:
                    found = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
                self._digest = found.hexdigest()
            return self._digest

    @property
    def revision(self) -> str:
        """What its vectors are known by.

        Raises:
            PreconditionError: As ``digest``.
        """
        return f"clip-frames-1-{self.digest[:16]}"

    def network(self) -> Any:
        """The model of transformers, on its device.

        Raises:
            PreconditionError: MODEL_MISSING, or MODEL_INVALID if it is no CLIP.
        """
        with self._lock:
            if self._network is None:
                self._check()
                self._network = self._load()
            return self._network

    def embed(self, pictures: Sequence[Picture]) -> Rows:
        """Vectors of RGB pictures (height, width, 3): (pictures, width), 768 for ViT-L/14.

        Raises:
            PreconditionError: As ``network``.
        """
        import torch

        network = self.network()
        size = int(network.config.vision_config.image_size)
        device = next(network.parameters()).device
        batch = torch.cat([_pixels(picture, size) for picture in pictures])
        with self._lock, torch.inference_mode():
            seen = network.vision_model(pixel_values=batch.to(device))
            rows = network.visual_projection(seen.pooler_output).float().cpu().numpy()
        return np.asarray(rows, dtype=np.float32)

    def look(
        self,
        source: Path | bytes,
        decoder: ClipDecoder,
        limits: VideoLimits | None = None,
        *,
        name: str | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> FrameEmbeddings:
        """One frame per second of a clip, its first five minutes.

        Args:
            source: A path, or a whole file.
            decoder: Decodes it apart from this process.
            limits: What to accept.
            name: What errors call it.
            check: Called for every frame; what it raises ends the work.

        Raises:
            VideoError: As ``ClipDecoder.open`` and ``Clip.frames`` do.
            PreconditionError: As ``network``.
        """
        sampling = Sampling(1.0, int(self.network().config.vision_config.image_size))
        seconds: list[int] = []
        rows: list[Rows] = []
        held: list[Picture] = []
        with decoder.open(source, sampling, limits or VideoLimits(), name=name) as clip:
            for frame in clip.frames():
                check()
                if frame.time >= MAX_SECONDS:
                    break
                seconds.append(int(frame.time))
                held.append(frame.pixels)
                if len(held) == BATCH:
                    rows.append(self.embed(held))
                    held = []
        if held:
            rows.append(self.embed(held))
        # A second without a frame of its own still shows the last one.
        shown = np.searchsorted(seconds, np.arange(seconds[-1] + 1), side="right") - 1
        values = np.concatenate(rows)[np.maximum(shown, 0)]
        return FrameEmbeddings(values, self.revision)

    def _check(self) -> None:
        for name in (WEIGHTS, CONFIG):
            if not (self._folder / name).is_file():
                raise PreconditionError(
                    f"{self._folder / name}: not there; {self._fix}", reason="MODEL_MISSING"
                )
        try:
            import torch  # noqa: F401 - to find out before the first clip
            import transformers  # noqa: F401 - as above
        except ImportError as error:
            raise PreconditionError(
                "CLIP needs more packages: pip install 'segue[models]'", reason="MODEL_MISSING"
            ) from error

    def _load(self) -> Any:
        from safetensors import SafetensorError
        from transformers import CLIPModel
        from transformers.utils.logging import disable_progress_bar

        from retrieval.encoders.device import choose_compute

        compute = choose_compute(self._device.partition(",")[0])
        disable_progress_bar()
        try:
            model, told = CLIPModel.from_pretrained(
                self._folder,
                local_files_only=True,
                use_safetensors=True,
                output_loading_info=True,
            )
        except (SafetensorError, OSError, RuntimeError, ValueError) as error:
            raise self._invalid() from error
        # What is missing would be made up.
        if told["missing_keys"] or told["mismatched_keys"]:
            raise self._invalid()
        return model.eval().requires_grad_(False).to(compute.device)

    def _invalid(self) -> PreconditionError:
        return PreconditionError(f"{self._folder}: no CLIP; {self._fix}", reason="MODEL_INVALID")


def _pixels(picture: Picture, size: int) -> Any:
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
