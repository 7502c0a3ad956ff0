"""How much picture is accepted, whatever a file's header promises."""

from __future__ import annotations

from dataclasses import dataclass

MAX_ASPECT = 8.0
"""Longer side over the shorter one; a picture beyond it is shown less long."""

MAX_GAP = 60.0
"""Seconds without a new frame after which a timestamp is not believed."""


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """Bounds on one clip, checked on its header and again while decoding.

    Attributes:
        max_duration: Seconds.
        max_pixels: Width times height of the coded picture; 8K in either direction by default.
        max_frames: Frames decoded.
        max_bytes: Size of the file.
    """

    max_duration: float = 3600.0
    max_pixels: int = 8192 * 4352
    max_frames: int = 500_000
    max_bytes: int = 16 * 1024**3


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which frames are wanted, and how large.

    Attributes:
        rate: At most this many frames per second: the first one shown in each 1 / rate s.
        short_side: Pixels of the shorter side as displayed; the picture is never enlarged.
    """

    rate: float
    short_side: int

    @property
    def max_pixels(self) -> int:
        """Of one frame."""
        return round(self.short_side * MAX_ASPECT) * self.short_side
