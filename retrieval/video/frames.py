"""One frame, as it leaves the decoder."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEAD = struct.Struct("<dII")
"""Seconds, width and height: what precedes the RGB bytes on their way out of a child."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame.

    Attributes:
        time: Seconds from the first frame.
        pixels: RGB, uint8 of shape (height, width, 3), upright, with square pixels.
    """

    time: float
    pixels: NDArray[np.uint8]
