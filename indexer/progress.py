"""How an index run tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Stage(Enum):
    """What an index run is doing."""

    SCAN = "scan"
    """Looking for audio files; ``done`` counts those found so far and ``total`` is not known."""
    INDEX = "index"
    """Reading, encoding and writing."""
    FINISH = "finish"
    """Fitting statistics and building the library's indexes."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an index run is.

    Attributes:
        stage: What it is doing.
        total: Files found; 0 while scanning.
        done: Files dealt with so far, the failed ones included.
        failed: Files that failed so far.
        audio_seconds: Seconds of sound decoded so far.
        elapsed: Seconds since the run began.
        bytes_total: Size of the files that have to be read.
        bytes_done: Size of those already read.
        work_seconds: Seconds since reading began.
        path: The file just dealt with, or empty.
    """

    stage: Stage
    total: int = 0
    done: int = 0
    failed: int = 0
    audio_seconds: float = 0.0
    elapsed: float = 0.0
    bytes_total: int = 0
    bytes_done: int = 0
    work_seconds: float = 0.0
    path: str = ""

    @property
    def remaining(self) -> float | None:
        """Seconds the reading will probably still take, by size; None while it cannot be told."""
        if self.stage is not Stage.INDEX or not self.bytes_done or self.work_seconds < 0.5:
            return None
        rate = self.bytes_done / self.work_seconds
        return max(0.0, (self.bytes_total - self.bytes_done) / rate)


Callback = Callable[[Progress], None]
