"""What a child may say of a clip: it has read hostile bytes, which may have taken it over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrieval.audio import wire
from retrieval.audio.children import LostError
from retrieval.video.frames import HEAD, Frame
from retrieval.video.limits import MAX_GAP, Sampling, VideoLimits


@dataclass(frozen=True, slots=True)
class Header:
    """What is told of a clip before its first frame.

    Attributes:
        width: Pixels, as coded.
        height: Pixels, as coded.
        codec: FFmpeg's name of the codec.
        promised: Seconds that the file promises, or None.
    """

    width: int
    height: int
    codec: str
    promised: float | None


class Bounds:
    """Holds the answers about one clip to what was asked for; all methods raise ``LostError``."""

    def __init__(self, limits: VideoLimits, sampling: Sampling) -> None:
        """Expect a clip within these limits, and these frames of it."""
        self._limits, self._sampling = limits, sampling
        self._left = min(limits.max_frames, limits.max_duration * sampling.rate + 2.0)
        self._last = -1.0

    def sizes(self) -> dict[int, int]:
        """What may come behind the header, and the most bytes of it."""
        frame = HEAD.size + 3 * self._sampling.max_pixels
        return {wire.BLOCK: frame, wire.END: wire.NOTE, wire.ERROR: wire.NOTE}

    def header(self, body: bytearray) -> Header:
        """What comes first."""
        told = _facts(body)
        width, height, promised = told.get("width"), told.get("height"), told.get("promised")
        if not isinstance(width, int) or not isinstance(height, int):
            raise LostError("the child told no size")
        if width < 0 or height < 0 or width * height > self._limits.max_pixels:
            raise LostError("the child told an impossible size")
        if promised is not None:
            promised = self._seconds(promised, self._limits.max_duration)
        return Header(width, height, str(told.get("codec")), promised)

    def frame(self, body: bytearray) -> Frame:
        """The next frame, later than the one before it."""
        if len(body) < HEAD.size:
            raise LostError("the child sent a part of a frame")
        moment, width, height = HEAD.unpack_from(body)
        self._left -= 1
        if not self._last < moment <= self._limits.max_duration or self._left < 0:
            raise LostError("the child sent a frame that no clip can have")
        if not width or not height or len(body) != HEAD.size + 3 * width * height:
            raise LostError("the child sent a part of a frame")
        self._last = moment
        pixels = np.frombuffer(body, dtype=np.uint8, offset=HEAD.size)
        return Frame(moment, pixels.reshape(height, width, 3))

    def end(self, body: bytearray) -> tuple[float, bool]:
        """Seconds from the first frame to the end of the last, and whether parts were missing."""
        told = _facts(body)
        duration = self._seconds(told.get("duration"), self._limits.max_duration + MAX_GAP)
        if self._last < 0.0 or duration < self._last:
            raise LostError("the child told an impossible length")
        return duration, bool(told.get("partial"))

    def _seconds(self, told: object, most: float) -> float:
        # Whoever measures a clip keeps rows for each second of it.
        if not isinstance(told, int | float) or not math.isfinite(told) or not 0.0 <= told <= most:
            raise LostError("the child told an impossible length")
        return float(told)


def _facts(body: bytearray) -> dict[str, Any]:
    try:
        return wire.facts(body)
    except ValueError as error:
        raise LostError("the child told nothing of sense") from error
