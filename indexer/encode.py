"""The work of a device: windows to rows, and rows to the vectors of tracks.

``encode`` runs where the networks are, in a thread of the run or in a process of its own, and knows
nothing but what it is given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from indexer.worker import Failed
from retrieval.core.errors import SegueError
from retrieval.core.payload import PayloadValue
from retrieval.core.spaces import DenseVector
from retrieval.encoders.audio_pass import (
    EncodedTrack,
    PreparedTrack,
    assemble_track,
    forward_windows,
)
from retrieval.encoders.protocol import AudioEncoder, HasReference

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Consecutive windows of one track in one space, read into memory."""

    space: str
    features: Sequence[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Whole:
    """A track all of whose windows have been through, without their features."""

    track: PreparedTrack
    rows: Mapping[str, DenseVector]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What one step does; may cross processes.

    Attributes:
        windows: To make rows of, of any tracks; or why they could not be read.
        wholes: To make vectors of.
    """

    windows: Sequence[Windows | Failed]
    wholes: Sequence[Whole]


@dataclass(frozen=True, slots=True, eq=False)
class Worked:
    """What a step came to.

    Attributes:
        rows: For each of ``Work.windows``, of shape (windows, width).
        tracks: For each of ``Work.wholes``.
        seconds: Wall time it took.
    """

    rows: Sequence[DenseVector | Failed]
    tracks: Sequence[EncodedTrack | Failed]
    seconds: float


def encode(work: Work, encoders: Sequence[AudioEncoder]) -> Worked:
    """Do the work of one step; windows of several tracks share batches."""
    began = time.perf_counter()
    rows: list[DenseVector | Failed] = [
        one if isinstance(one, Failed) else Failed("ENCODING_FAILED", "no encoder fills its space")
        for one in work.windows
    ]
    for encoder in encoders:
        own = {
            place: one.features
            for place, one in enumerate(work.windows)
            if isinstance(one, Windows) and one.space == encoder.space.name
        }
        for place, found in zip(own, _forward(encoder, list(own.values())), strict=True):
            rows[place] = found
    tracks = [_assemble(whole, encoders) for whole in work.wholes]
    return Worked(rows, tracks, time.perf_counter() - began)


def _forward(
    encoder: AudioEncoder, groups: Sequence[Sequence[Any]]
) -> Sequence[DenseVector | Failed]:
    """The rows of groups of windows; a group that cannot be encoded is told from the others."""
    found = _attempt(
        lambda: forward_windows(encoder, (one for features in groups for one in features))
    )
    if isinstance(found, Failed):
        if len(groups) == 1:
            return [found]
        return [one for group in groups for one in _forward(encoder, [group])]
    cut, position = [], 0
    for features in groups:
        cut.append(found[position : position + len(features)])
        position += len(features)
    return cut


def _assemble(whole: Whole, encoders: Sequence[AudioEncoder]) -> EncodedTrack | Failed:
    return _attempt(lambda: assemble_track(whole.track, whole.rows, encoders))


def _attempt(do: Callable[[], Result]) -> Result | Failed:
    try:
        return do()
    except SegueError as error:
        return Failed(error.reason, error.message)
    except Exception as error:
        return Failed("ENCODING_FAILED", f"encoding broke down: {type(error).__name__}: {error}")


def computed_fields(
    prepared: PreparedTrack, track: EncodedTrack, encoders: Sequence[AudioEncoder]
) -> dict[str, PayloadValue]:
    """The payload fields that follow from the sound."""
    computed: dict[str, PayloadValue] = {
        "duration": round(prepared.duration, 3),
        "sample_rate": prepared.sample_rate,
        "channels": prepared.channels,
    }
    for encoder in encoders:
        vector = track.vectors.get(encoder.space.name)
        if vector is not None and isinstance(encoder, HasReference):
            computed.update(encoder.payload(vector))
    return computed
