"""Genres as patterns, read from ``grooves.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

DRUMS = MappingProxyType(
    {
        "kick": 36,
        "snare": 38,
        "rim": 37,
        "clap": 39,
        "brush": 40,
        "hat": 42,
        "pedal": 44,
        "open": 46,
        "ride": 51,
        "crash": 49,
        "low tom": 41,
        "high tom": 50,
        "shaker": 70,
        "tambourine": 54,
        "cowbell": 56,
        "conga": 63,
        "low conga": 64,
        "bongo": 60,
        "clave": 75,
        "guiro": 73,
        "triangle": 81,
        "agogo": 67,
    }
)
"""Notes of the General MIDI percussion channel by the names used in patterns."""

Names = Annotated[tuple[str, ...], BeforeValidator(tuple)]
Pair = Annotated[tuple[float, float], BeforeValidator(tuple)]


class Groove(BaseModel):
    """A genre.

    Attributes:
        names: What captions call it, the plainest first.
        tempi: Slowest and fastest, beats per minute.
        steps: Steps of a bar.
        beats: Beats of a bar.
        drums: Patterns to choose from, by drum; none, or an empty one, is a bar without drums.
        bass: Step patterns of the bass; none means it has no bass part of its own.
        chords: Step patterns of the accompaniment.
        lead: Families that play the tune.
        comp: Names of timbres that accompany.
        low: Names of timbres that play the bass.
        pads: Names of timbres of held chords behind.
        kits: General MIDI drum kits (programs of the percussion channel).
        modes: Names in ``compose.SCALES``.
        seventh: How often chords are of four notes, 0..1.
        parts: Fewest and most of tune, accompaniment, pad and second tune at once.
        legato: Share of its length that a note of the tune is held, from and to.
        busy: Notes of the tune a beat, from and to.
        dynamics: MIDI velocity, from and to.
        moods: Words for how it usually feels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: Names
    tempi: Pair
    chords: Names
    lead: Names
    comp: Names
    low: Names = ()
    bass: Names = ()
    drums: tuple[dict[str, str], ...] = ()
    pads: Names = ()
    steps: int = 16
    beats: int = 4
    kits: tuple[int, ...] = (0,)
    modes: Names = ("major", "minor")
    seventh: float = 0.1
    parts: tuple[int, int] = (2, 4)
    legato: Pair = (0.7, 1.0)
    busy: Pair = (0.8, 2.0)
    dynamics: tuple[int, int] = (60, 105)
    moods: Names = ()


@cache
def grooves() -> dict[str, Groove]:
    """Every genre by name."""
    text = (files("indexer.training") / "grooves.toml").read_text(encoding="utf-8")
    return {name: Groove.model_validate(value) for name, value in tomllib.loads(text).items()}
