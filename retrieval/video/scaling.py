"""Frames as small upright RGB pictures; nothing of full size ever becomes an array."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from retrieval.video.limits import MAX_ASPECT

_MIN_PIXEL = 0.1
_HD_LINES = 720
_UNSPECIFIED = 2


class Scaler:
    """Scales frames to one shorter side, as displayed: square pixels, rotated upright.

    Attributes:
        short_side: Pixels at most.
        aspect: Width of a coded pixel over its height.
    """

    def __init__(self, short_side: int, aspect: float) -> None:
        self.short_side = short_side
        self.aspect = aspect if _MIN_PIXEL < aspect < 1.0 / _MIN_PIXEL else 1.0
        self._reformatter = VideoReformatter()

    def scale(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """RGB of a frame, uint8 of shape (height, width, 3)."""
        width, height = scaled_size(frame.width, frame.height, self.aspect, self.short_side)
        colours = None
        if frame.colorspace == _UNSPECIFIED:
            # What players do with files that do not say.
            colours = Colorspace.ITU709 if frame.height >= _HD_LINES else Colorspace.ITU601
        small = self._reformatter.reformat(
            frame,
            width,
            height,
            "rgb24",
            src_colorspace=colours,
            interpolation=Interpolation.AREA,
        )
        upright = np.rot90(small.to_ndarray(), k=round(frame.rotation / 90))
        return np.ascontiguousarray(upright, dtype=np.uint8)


def scaled_size(width: int, height: int, aspect: float, short_side: int) -> tuple[int, int]:
    """Width and height of a picture whose shorter side is to be ``short_side`` at most.

    Args:
        width: Pixels, as coded.
        height: Pixels, as coded.
        aspect: Width of a pixel over its height.
        short_side: Pixels of the shorter side.
    """
    shape = min(max(width * aspect / height, 1.0 / MAX_ASPECT), MAX_ASPECT)
    side = min(short_side, width, height)
    if shape >= 1.0:
        return max(1, round(side * shape)), side
    return side, max(1, round(side / shape))
