"""Frames of other tools in ``.npy`` files: one array, one row per frame."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from indexer.features_npy import open_regular, read_array
from indexer.formats.files import bad
from retrieval.core.errors import InvalidInputError

MAX_BYTES = 1 << 30
"""Largest file that is read: an hour of MERT in double precision."""

Frames = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layout:
    """What the array of one tool looks like.

    Attributes:
        width: Values per frame; None for an array of one axis.
        rate: Frames per second, about.
        columns: What they are, where they are no embedding.
        bounds: Least and greatest value of each column, in order; empty means any.
    """

    width: int | None
    rate: float
    columns: str = ""
    bounds: tuple[tuple[float, float], ...] = ()

    @property
    def shape(self) -> str:
        """As documents write it: ``(T, 512)``."""
        return "(T,)" if self.width is None else f"(T, {self.width})"


LAYOUTS: Mapping[str, Layout] = MappingProxyType(
    {
        "openl3": Layout(512, 10.0),
        "crepe": Layout(2, 100.0, "Hz, confidence", ((0.0, 50_000.0), (0.0, 1.0))),
        "madmom": Layout(None, 100.0, "beat activation", ((0.0, 1.0),)),
        "mert": Layout(768, 75.0),
        "beat_this": Layout(2, 50.0, "beat, downbeat activation", ((0.0, 1.0), (0.0, 1.0))),
        "clip": Layout(768, 1.0),
    }
)
"""By tool. All files are float32 when we write them; float16 and float64 are read too."""


def read(path: Path, layout: Layout) -> Frames:
    """Frames as float32, shape (T,) or (T, width), T >= 1.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE or INVALID_VECTOR, with the file.
    """

    def check(shape: tuple[int, ...]) -> None:
        wanted = (shape[0], layout.width) if shape and layout.width else shape[:1]
        if not shape or shape != wanted or shape[0] < 1:
            raise InvalidInputError(f"its shape is {str(shape)[:80]}, not {layout.shape}")

    try:
        with open_regular(path, MAX_BYTES) as stream:
            frames = read_array(stream.read(MAX_BYTES), check)
    except InvalidInputError as error:
        raise bad(path, error.message) from error
    except OSError as error:
        raise bad(path, f"cannot be read: {error.strerror or error}") from error
    for place, (low, high) in enumerate(layout.bounds):
        column = frames if layout.width is None else frames[:, place]
        if column.min() < low or column.max() > high:
            raise bad(path, f"column {place} is to be from {low:g} to {high:g} ({layout.columns})")
    return frames


def to_bytes(frames: Frames) -> bytes:
    """The ``.npy`` file of frames, as float32."""
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(frames, dtype="<f4"), allow_pickle=False)
    return buffer.getvalue()
