"""The descriptors there are. A new one is a new file and one line here."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import cast

from retrieval.core.errors import InvalidInputError
from retrieval.describe.protocol import Descriptor


@dataclass(frozen=True, slots=True)
class DescriptorDescription:
    """What is known of a descriptor before it is loaded.

    Attributes:
        name: Its name.
        summary: One line for ``--help`` and the README.
        factory: ``module:Class`` to call without arguments.
        core: Whether every track is described by it unless told otherwise.
    """

    name: str
    summary: str
    factory: str
    core: bool = True


_DESCRIPTIONS = (
    DescriptorDescription(
        name="loudness",
        summary="loudness, loudness range and true peak by EBU R128",
        factory="retrieval.describe.loudness:Loudness",
    ),
    DescriptorDescription(
        name="dynamics",
        summary="dynamic range of the loud passages",
        factory="retrieval.describe.dynamics:Dynamics",
    ),
    DescriptorDescription(
        name="silence",
        summary="silence at both ends",
        factory="retrieval.describe.silence:Silence",
    ),
    DescriptorDescription(
        name="timbre",
        summary="brightness, bandwidth, roll-off, flatness and contrast of the spectrum",
        factory="retrieval.describe.timbre:Timbre",
    ),
    DescriptorDescription(
        name="mfcc",
        summary="mel-frequency cepstral coefficients, summed up",
        factory="retrieval.describe.mfcc:Mfcc",
    ),
    DescriptorDescription(
        name="rhythm",
        summary="tempo, its half or double, beats and downbeats",
        factory="retrieval.describe.rhythm:Rhythm",
    ),
    DescriptorDescription(
        name="key",
        summary="key, mode and tuning",
        factory="retrieval.describe.key:Tonality",
    ),
    DescriptorDescription(
        name="chords",
        summary="chords by beat and by second, and progressions to search for",
        factory="retrieval.describe.chords:Chords",
    ),
    DescriptorDescription(
        name="sections",
        summary="passages that differ in sound, and which of them are alike",
        factory="retrieval.describe.sections:Sections",
    ),
    DescriptorDescription(
        name="heard",
        summary="a voice or none, genres and moods, by what the ear hears",
        factory="retrieval.describe.heard:Heard",
    ),
    DescriptorDescription(
        name="notes",
        summary="note density and pitch range, by Basic Pitch's model",
        factory="retrieval.describe.notes:Notes",
        core=False,
    ),
)


def descriptions() -> tuple[DescriptorDescription, ...]:
    """Every descriptor, in the order they run in."""
    return _DESCRIPTIONS


def chosen(setting: str) -> tuple[str, ...]:
    """Names of the descriptors that ``Settings.descriptors`` stands for; see there."""
    core = [one.name for one in _DESCRIPTIONS if one.core]
    names = [name for word in setting.split(",") for name in (core if word == "core" else [word])]
    return tuple(dict.fromkeys(names))


def load(name: str) -> Descriptor:
    """The descriptor of this name, loaded once per process.

    Raises:
        InvalidInputError: INVALID_SETTING if there is none.
        PreconditionError: MODEL_MISSING if it needs a model that is not installed.
    """
    return _load(name)


def load_all(names: Iterable[str]) -> tuple[Descriptor, ...]:
    """Descriptors in the order they run in.

    Raises:
        InvalidInputError: INVALID_SETTING if there is none of some name.
        PreconditionError: MODEL_MISSING if one needs a model that is not installed.
    """
    order = {one.name: place for place, one in enumerate(_DESCRIPTIONS)}
    return tuple(load(name) for name in sorted(names, key=lambda n: order.get(n, 0)))


@cache
def _load(name: str) -> Descriptor:
    known = {one.name: one for one in _DESCRIPTIONS}
    if name not in known:
        raise InvalidInputError(
            f"descriptor {name!r}: there is none of this name; use one of {', '.join(known)}",
            reason="INVALID_SETTING",
        )
    module, _, attribute = known[name].factory.partition(":")
    return cast(Descriptor, getattr(importlib.import_module(module), attribute)())
