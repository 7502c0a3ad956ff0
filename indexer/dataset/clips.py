"""Videos as the steps look at them: bounded, apart from this process, five minutes at most."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from retrieval.video.clips import Clip, ClipDecoder
from retrieval.video.frames import Frame
from retrieval.video.limits import Sampling, VideoLimits

SECONDS = 300
"""Longest part of a video that becomes part of a dataset."""
_BEGUN = 0.1
"""Of a second of sound, from which on it counts: encoders add some silence at the end."""
_LIMITS = VideoLimits(max_duration=12 * 3600.0)


@dataclass(slots=True)
class Watch:
    """A clip being watched from its start.

    Attributes:
        clip: The open clip.
        seconds: Length of the part that was shown; final once ``frames`` has ended.
    """

    clip: Clip
    seconds: float = 0.0

    def frames(self) -> Iterator[Frame]:
        """The frames of the first ``SECONDS``.

        Raises:
            VideoError: As ``Clip.frames`` does.
        """
        for frame in self.clip.frames():
            if frame.time >= SECONDS:
                self.seconds = float(SECONDS)
                return
            yield frame
        self.seconds = min(self.clip.duration, float(SECONDS))

    @property
    def rows(self) -> int:
        """Whole and begun seconds, 1 to ``SECONDS``: T of every series of the picture."""
        return max(1, min(SECONDS, math.ceil(self.seconds - 1e-3)))


def sound_rows(seconds: float) -> int:
    """T of a series of sound that is so long: 1 to ``SECONDS``."""
    return max(1, min(SECONDS, math.ceil(seconds - _BEGUN)))


@contextmanager
def watching(decoder: ClipDecoder, source: Path, sampling: Sampling, name: str) -> Iterator[Watch]:
    """Open a video.

    Raises:
        VideoError: As ``ClipDecoder.open`` does.
    """
    with decoder.open(source, sampling, _LIMITS, name=name) as clip:
        yield Watch(clip)
