"""Encoding work cut into steps of so many seconds of sound, over the borders of tracks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from indexer.encode import Whole, Windows, Work
from indexer.job import Job
from indexer.worker import Failed
from retrieval.core.spaces import DenseVector
from retrieval.encoders.prepared import PreparedTrack

_TURNS = 4
"""Tracks that share a step at least, if so many wait: a long one does not hold the others up."""


@dataclass(slots=True, eq=False)
class Track:
    """A prepared track on its way to vectors.

    Attributes:
        job: Its file.
        prepared: Its windows.
        pending: Runs of windows that are in no step yet: space, first, and past the last.
        seconds: Sound in all its windows, counted in every space.
        rows: By space, and by the first window of each part.
        out: Parts in steps that are not done.
        heard: Seconds of sound that have been through, likewise.
        retried: A device broke down over it once.
        failed: Why it cannot be encoded.
        dropped: The run was stopped before all of it was encoded.
    """

    job: Job
    prepared: PreparedTrack
    pending: deque[tuple[str, int, int]] = field(init=False)
    seconds: float = field(init=False)
    rows: dict[str, dict[int, DenseVector]] = field(default_factory=dict)
    out: int = 0
    heard: float = 0.0
    retried: bool = False
    failed: Failed | None = None
    dropped: bool = False

    def __post_init__(self) -> None:
        windows = self.prepared.windows
        self.pending = deque((space, 0, len(found)) for space, found in windows.items())
        outlines = [window for found in windows.values() for window in found.outline]
        self.seconds = sum(window.span.end - window.span.start for window in outlines)

    def take(self, seconds: float) -> Iterator[Part]:
        """The next windows, of at least one and until so many seconds are full."""
        while self.pending and seconds > 0:
            space, first, end = self.pending.popleft()
            outline = self.prepared.windows[space].outline
            last, taken = first, 0.0
            while last < end and taken < seconds:
                taken += outline[last].span.end - outline[last].span.start
                last += 1
            if last < end:
                self.pending.appendleft((space, last, end))
            seconds -= taken
            self.out += 1
            yield Part(self, space, first, last, taken)

    def whole(self) -> Whole:
        """What the vectors are made of, all windows having been through."""
        rows = {
            space: np.concatenate([parts[first] for first in sorted(parts)])
            for space, parts in self.rows.items()
        }
        return Whole(self.prepared.outline(), rows)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Consecutive windows of one track in one space."""

    track: Track
    space: str
    first: int
    end: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What a device does at once.

    Attributes:
        parts: Windows to make rows of.
        wholes: Tracks to make vectors of.
    """

    parts: tuple[Part, ...]
    wholes: tuple[Track, ...]

    @property
    def seconds(self) -> float:
        """Seconds of sound, counted in every space."""
        return sum(part.seconds for part in self.parts)

    def load(self) -> Work:
        """Read the windows into memory."""
        return Work([_read(part) for part in self.parts], [track.whole() for track in self.wholes])


def cut_step(waiting: deque[Track], whole: deque[Track], seconds: float) -> Step:
    """The next step, out of tracks that take turns.

    Args:
        waiting: Tracks with windows left; those that have none are taken out.
        whole: Tracks whose windows have all been through; emptied.
        seconds: Sound in the step, about.
    """
    parts: list[Part] = []
    left = seconds
    while waiting and left > 0:
        track = waiting.popleft()
        for part in track.take(min(left, seconds / _TURNS)):
            parts.append(part)
            left -= part.seconds
        if track.pending:
            waiting.append(track)
    step = Step(tuple(parts), tuple(whole))
    whole.clear()
    return step


def _read(part: Part) -> Windows | Failed:
    windows = part.track.prepared.windows[part.space]
    try:
        return Windows(part.space, [windows[i].features for i in range(part.first, part.end)])
    except Exception as error:
        return Failed("FILE_UNREADABLE", f"its prepared sound is lost: {error}")
