"""What a descriptor is: the fields and series it fills, and ``describe`` of one decoded sound.

All descriptors of a track hear one ``Sound``, which was decoded once and is bounded however long
the track is: mono at ``RATE`` of its first ``LONGEST`` seconds, and levels of the whole. What
several of them look at (a spectrogram, chroma, beats) is a function of the sound, called through
``Sound.share`` so that it is computed once per track.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from retrieval.core.payload import Field, PayloadValue
from retrieval.core.series import Series

__all__ = [
    "LONGEST",
    "RATE",
    "Attributes",
    "Descriptor",
    "Findings",
    "Levels",
    "Series",
    "SeriesField",
    "Sound",
]

RATE = 22_050
"""Hz of ``Sound.samples``."""

LONGEST = 600.0
"""Seconds of ``Sound.samples`` at most. Tempo, key or sections of an hour of mixed music are no one
value; of a longer track they are those of its first ten minutes, and its levels those of all."""

Picture = TypeVar("Picture")


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """How loud a whole track is, and when; all channels, at the rate of its file.

    Attributes:
        rate: Frames per second of ``peak`` and ``power``, about 100.
        peak: Largest sample of each frame, 0 or more, full scale 1; float32.
        power: Mean square of each frame, the mean over the channels; float32.
        momentary: EBU R128 loudness of the last 0.4 s, ten times a second, LUFS; float32.
        integrated: EBU R128 loudness of the whole, LUFS; None if it is too short or quiet for that.
        range: EBU R128 loudness range, LU; None likewise.
        true_peak: Largest sample between the samples too, full scale 1.
    """

    rate: float
    peak: NDArray[np.float32]
    power: NDArray[np.float32]
    momentary: NDArray[np.float32]
    integrated: float | None
    range: float | None
    true_peak: float


@dataclass(frozen=True, slots=True, eq=False)
class Attributes:
    """What an encoder that can tell heard in a track, window by window.

    Attributes:
        names: What it can tell, as the ear calls it: ``voice``, ``genre jazz``.
        chances: Calibrated probabilities, shape (windows, names).
        seconds: Length of each window, shape (windows,).
    """

    names: tuple[str, ...]
    chances: NDArray[np.float64]
    seconds: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """One track as descriptors hear it.

    Attributes:
        samples: Mono at ``RATE``, shape (n,), float32, finite; the first ``LONGEST`` seconds.
        duration: Seconds of the whole track.
        levels: Of the whole track.
        attributes: Of its first windows, ``LONGEST`` seconds; None if nobody told.
    """

    samples: NDArray[np.float32]
    duration: float
    levels: Levels
    attributes: Attributes | None = None
    _shared: dict[Callable[[Sound], Any], Any] = field(default_factory=dict, repr=False)

    @property
    def seconds(self) -> float:
        """Length of ``samples``."""
        return len(self.samples) / RATE

    def share(self, picture: Callable[[Sound], Picture]) -> Picture:
        """What a function makes of this sound, computed at the first call only.

        Args:
            picture: A function of a module, known by itself; nobody changes what it returns.
        """
        if picture not in self._shared:
            self._shared[picture] = picture(self)
        return cast(Picture, self._shared[picture])


@dataclass(frozen=True, slots=True)
class SeriesField:
    """One series that a descriptor yields.

    Attributes:
        name: Lower-case identifier, unique among all descriptors.
        unit: Of its values (``LUFS``, ``Hz``, ``class``), or empty.
        description: One line.
    """

    name: str
    unit: str
    description: str


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What one descriptor found in one sound.

    Attributes:
        scalars: Payload by field; what is not known is absent.
        series: Those there are.
    """

    scalars: Mapping[str, PayloadValue]
    series: tuple[Series, ...] = ()


@runtime_checkable
class Descriptor(Protocol):
    """Tells some facts of a sound. Plain CPU work, in any process, without state between sounds.

    Attributes:
        name: Of its line in ``retrieval.describe.registry``.
        version: To be raised with any change of a value, also one of a shared picture: what an
            earlier version found is found anew by the next index run.
        fields: Those it may fill, computed, with unit and range in their description; beside each
            estimate stands its ``…_confidence``, 0..1. What a person may have written in the tags
            is filled as ``bpm_measured`` and ``key_measured``, a ``retrieval.core.keys.Key`` in
            words; ``bpm``, ``key``, ``mode`` and ``camelot`` follow from both.
        series: Those it may yield.
    """

    name: str
    version: int
    fields: tuple[Field, ...]
    series: tuple[SeriesField, ...]

    def describe(self, sound: Sound) -> Findings:
        """The facts that can be told of this sound; none of what cannot be known of it."""
        ...
