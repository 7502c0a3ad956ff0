"""Clips in ``.npz`` files: what a model may see of them second by second.

Keys, all optional but for one of the first two: ``series`` (T, 5), columns as in
``retrieval.core.video.SERIES``; ``frames`` (T, D), an embedding per second, with the text
``frame_model`` that says whose; ``values`` (11,) with NaN where a dimension was not measured.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.core.spaces import MAX_DIM
from retrieval.core.video import SERIES, VIDEO_DIMS, FrameEmbeddings, VideoSeries
from retrieval.video.model_inputs import MAX_SECONDS

MAX_BYTES = 512 * 1024 * 1024
"""Largest file, unpacked."""


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """What a file says of a clip.

    Attributes:
        series: Its first five minutes, or None.
        frames: Likewise.
        values: In the order of ``VIDEO_DIMS``, NaN where not measured; or None.
    """

    series: VideoSeries | None
    frames: FrameEmbeddings | None
    values: NDArray[np.float64] | None


def read_clip(path: Path) -> Clip:
    """Read one file; nothing in it is ever unpickled.

    Raises:
        ValueError: It is no such file; says why.
        OSError: It cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                raise ValueError(f"unpacked it is larger than {MAX_BYTES} bytes")
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in _KEYS if name in file.files}
    except (zipfile.BadZipFile, EOFError, KeyError) as error:
        raise ValueError(f"no .npz file: {error}") from error
    series = _rows(found, "series", len(SERIES))
    frames = _rows(found, "frames", None)
    if series is None and frames is None:
        raise ValueError("it has neither 'series' nor 'frames'")
    values = None
    if "values" in found:
        values = np.asarray(_number(found["values"], "values"), dtype=np.float64)
        if values.shape != (len(VIDEO_DIMS),) or np.isinf(values).any():
            raise ValueError(f"'values' must be {len(VIDEO_DIMS)} numbers, NaN where not known")
    told = None
    if series is not None:
        cuts = np.asarray(np.flatnonzero(series[:, -1]), dtype=np.float64)
        told = VideoSeries(series, cuts)
    return Clip(
        told,
        None if frames is None else FrameEmbeddings(frames, _model(found)),
        values,
    )


_KEYS = ("series", "frames", "frame_model", "values")


def _rows(
    found: dict[str, NDArray[np.generic]], name: str, columns: int | None
) -> NDArray[np.float32] | None:
    if name not in found:
        return None
    values = _number(found[name], name)
    wanted = f"(seconds, {columns or 'D'})"
    if values.ndim != 2 or not len(values) or not 1 <= values.shape[1] <= MAX_DIM:
        raise ValueError(f"{name!r} must have the shape {wanted}, not {values.shape}")
    if columns is not None and values.shape[1] != columns:
        raise ValueError(f"{name!r} must have {columns} columns: {', '.join(SERIES)}")
    with np.errstate(over="ignore"):
        rows = np.asarray(values[:MAX_SECONDS], dtype=np.float32)
    if not np.isfinite(rows).all():
        raise ValueError(f"{name!r} must be finite (no NaN, no infinity)")
    return rows


def _number(values: NDArray[np.generic], name: str) -> NDArray[np.generic]:
    if values.dtype.kind not in "fiu":
        raise ValueError(f"{name!r} must hold numbers")
    return values


def _model(found: dict[str, NDArray[np.generic]]) -> str:
    text = str(found["frame_model"]) if "frame_model" in found else ""
    if not 1 <= len(text) <= 200:
        raise ValueError("'frames' need the text 'frame_model': which model made them")
    return text
