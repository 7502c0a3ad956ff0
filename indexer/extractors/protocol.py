"""What an extractor is, and what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.formats.beats import BeatTrack
from indexer.formats.chords import ChordTrack

Mono = NDArray[np.float32]
Frames = NDArray[np.float32]
Content = Frames | ChordTrack | BeatTrack


class Kind(Enum):
    """What a file holds; the value is its extension."""

    FRAMES = ".npy"
    CHORDS = ".lab"
    BEATS = ".beats"


@dataclass(frozen=True, slots=True)
class Output:
    """One file per recording.

    Attributes:
        kind: What is in it.
        folder: Where, below the output folder: ``embeddings/openl3``.
        rate: Frames per second; for labels, what their times are multiples of.
        shape: ``(T, 512)`` of frames, empty for labels.
    """

    kind: Kind
    folder: str
    rate: float
    shape: str = ""

    def path(self, name: str) -> str:
        """Relative path of the file of a recording of this name."""
        return f"{self.folder}/{name}{self.kind.value}"


@dataclass(frozen=True, slots=True)
class ExtractorDescription:
    """What is known of an extractor before anything heavy is loaded.

    Attributes:
        name: For ``--models``.
        summary: One line.
        version: Of our method: raise it with any change that moves a value.
        sample_rate: Hz, of the mono sound it takes.
        outputs: The files it makes.
        licence: Of code and weights.
        non_commercial: Whether the licence forbids commercial use.
        factory: ``module:Class``, to call with the place of its weights.
        needs: What has to be installed, as a command or words.
        weights: Where its weights come from.
        folder: Of its weights, below ``models`` in the data folder.
    """

    name: str
    summary: str
    version: int
    sample_rate: int
    outputs: tuple[Output, ...]
    licence: str
    factory: str
    needs: str
    weights: str
    folder: str
    non_commercial: bool = False


class Extractor(Protocol):
    """One loaded extractor; used by one thread.

    Attributes:
        revision: Of everything that changes what it gives: weights, method, packages.
    """

    revision: str

    def extract(self, sound: Mono) -> Sequence[Content]:
        """The contents of its outputs, in order.

        Args:
            sound: At its sample rate, shape (samples,), finite, at least 0.1 s of it.

        Raises:
            SegueError: This recording cannot be dealt with.
        """
        ...

    def close(self) -> None:
        """Let go of what it holds; idempotent."""
        ...


class Factory(Protocol):
    """Makes an extractor."""

    def __call__(self, weights: Path, *, device: str) -> Extractor:
        """Load it.

        Args:
            weights: File or folder; need not exist if the weights come with a package.
            device: As ``retrieval.encoders.device.choose_device`` takes it.

        Raises:
            PreconditionError: MODEL_MISSING or MODEL_INVALID, with the file and the fix.
            ImportError: If a package is not installed.
        """
        ...
