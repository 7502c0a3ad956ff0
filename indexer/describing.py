"""Describing tracks while they are indexed: from the one decode, in the workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retrieval.audio.decoding import Block
from retrieval.core.payload import Payload, PayloadValue
from retrieval.core.series import Series
from retrieval.describe.intake import Intake
from retrieval.describe.protocol import RATE, Attributes, Descriptor, Sound


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """What descriptors told of one track; may cross processes.

    Attributes:
        versions: Of the descriptors that were at it, by name.
        fields: All they may fill, filled or not.
        names: Of all series they may yield.
        scalars: Payload by field.
        series: Those there are.
        problems: What broke down, in words.
    """

    versions: Mapping[str, int]
    fields: frozenset[str]
    names: frozenset[str]
    scalars: Payload
    series: tuple[Series, ...]
    problems: tuple[str, ...] = ()

    def applied(self, computed: Payload) -> dict[str, PayloadValue]:
        """What is computed of the track, with these facts in the place of earlier ones."""
        kept = {name: value for name, value in computed.items() if name not in self.fields}
        return {**kept, **self.scalars}


class Listening:
    """Hears one track on its way through ``prepare_track`` and describes it afterwards."""

    sample_rate = RATE

    def __init__(self, descriptors: Sequence[Descriptor], sample_rate: int, channels: int) -> None:
        """Start one track.

        Args:
            descriptors: At least one.
            sample_rate: Hz, of the file.
            channels: Of the file.
        """
        self._descriptors = descriptors
        self._intake = Intake(sample_rate, channels)

    def push(self, block: Block, mono: NDArray[np.float32]) -> None:
        """Take the next samples; see ``Intake.push``."""
        self._intake.push(block, mono)

    def finish(self, attributes: Attributes | None = None) -> Described:
        """Describe the track, which has ended; see ``Intake.finish``."""
        return described(self._intake.finish(attributes), self._descriptors)


def described(sound: Sound, descriptors: Sequence[Descriptor]) -> Described:
    """What descriptors tell of a sound; one that breaks down does not take the others with it."""
    scalars: dict[str, PayloadValue] = {}
    series: list[Series] = []
    problems = []
    for one in descriptors:
        try:
            found = one.describe(sound)
        except Exception as error:
            problems.append(f"{one.name}: {type(error).__name__}: {error}")
            continue
        scalars |= found.scalars
        units = {described.name: described.unit for described in one.series}
        series += [replace(each, unit=units[each.name]) for each in found.series]
    return Described(
        versions={one.name: one.version for one in descriptors},
        fields=frozenset(f.name for one in descriptors for f in one.fields),
        names=frozenset(s.name for one in descriptors for s in one.series),
        scalars=scalars,
        series=tuple(series),
        problems=tuple(problems),
    )
