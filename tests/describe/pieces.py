"""Pieces that say plainly what they are: chords on an organ, a bass, and drums."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from indexer.synth.drums import CLOSED_HAT, KICK, SNARE
from indexer.synth.mixing import render
from indexer.synth.score import Note, Part, Score
from retrieval.core.progressions import Chord, parse_progression
from tests.signals import Samples

RATE = 22_050


@cache
def piece(
    progression: str,
    *,
    bars: int = 12,
    tempo: float = 120.0,
    meter: int = 4,
    up: int = 0,
    drums: bool = True,
) -> Samples:
    """A loop of chords, a bar each, ``up`` semitones higher than written; nobody changes it."""
    chords = [Chord((c.root + up) % 12, c.minor) for c in parse_progression(progression)]
    notes, bass = [], []
    for bar in range(bars):
        chord = chords[bar % len(chords)]
        steps = (0, 3 if chord.minor else 4, 7)
        notes += [Note(bar * meter, meter * 0.95, 60 + (chord.root + s) % 12) for s in steps]
        bass += [Note(bar * meter + beat, 0.9, 36 + chord.root) for beat in range(meter)]
    parts = [Part("organ", tuple(notes), gain=0.6), Part("synth bass", tuple(bass), gain=0.8)]
    if drums:
        parts.append(Part("drums", _strokes(bars, meter)))
    sound = render(Score(tempo, bars * meter, tuple(parts), 0.1, 0.5), RATE)
    return np.asarray(sound.mean(axis=1), dtype=np.float32)


def drumming(seconds: float, tempo: float) -> Samples:
    """Drums alone; mono at ``RATE``."""
    bars = round(seconds * tempo / 240.0)
    sound = render(Score(tempo, 4.0 * bars, (Part("drums", _strokes(bars, 4)),), 0.0, 0.1), RATE)
    return np.asarray(sound.mean(axis=1), dtype=np.float32)


def _strokes(bars: int, meter: int) -> tuple[Note, ...]:
    pattern: dict[int, Sequence[float]] = {
        KICK: (0,) if meter == 3 else (0, 2),
        SNARE: (1, 2) if meter == 3 else (1, 3),
        CLOSED_HAT: tuple(half / 2 for half in range(2 * meter)),
    }
    return tuple(
        Note(bar * meter + beat, 0.1, drum, 0.8)
        for bar in range(bars)
        for drum, beats in pattern.items()
        for beat in beats
    )
