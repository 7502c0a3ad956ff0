"""Styles: each writes pieces of one clear character, no two alike, from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from indexer.synth.drums import CLOSED_HAT, KICK, OPEN_HAT, SNARE
from indexer.synth.score import Key, Note, Part

BAR = 4.0
"""Every style is in four-four time."""


@dataclass(frozen=True, slots=True)
class Sketch:
    """What a style writes on.

    Attributes:
        rng: Source of every choice.
        key: Tonic and mode.
        chords: Degree of the scale that each bar is built on.
    """

    rng: np.random.Generator
    key: Key
    chords: tuple[int, ...]

    def melody(
        self, rhythm: tuple[float, ...], near: int, *, leap: int = 2, legato: float = 0.95
    ) -> tuple[Note, ...]:
        """A walk on the scale that meets the chord at the start of each bar.

        Args:
            rhythm: Lengths in beats that fill a bar; negative ones are rests.
            near: MIDI number it stays around.
            leap: Largest step in degrees.
            legato: Share of its length that a note is held.
        """
        notes = []
        degree = 0
        for bar, chord in enumerate(self.chords):
            at = bar * BAR
            for index, length in enumerate(rhythm):
                if length > 0:
                    if index == 0:
                        degree = chord + int(self.rng.choice([0, 2, 4]))
                        degree -= 7 if degree > 5 else 0
                    else:
                        degree += int(self.rng.integers(-leap, leap + 1))
                        degree = max(-4, min(6, degree))
                    velocity = 0.8 if index == 0 else 0.65
                    notes.append(Note(at, length * legato, self.key.pitch(degree, near), velocity))
                at += abs(length)
        return tuple(notes)

    def pads(self, near: int, notes: int = 3, velocity: float = 0.7) -> tuple[Note, ...]:
        """Each bar's chord, held."""
        return tuple(
            Note(bar * BAR, BAR * 0.98, pitch, velocity)
            for bar, chord in enumerate(self.chords)
            for pitch in self.key.chord(chord, near, notes)
        )

    def broken(self, near: int, order: tuple[int, ...], step: float) -> tuple[Note, ...]:
        """Each bar's chord, one note after the other in this order, again and again."""
        notes = []
        for bar, chord in enumerate(self.chords):
            pitches = self.key.chord(chord, near, max(order) + 1)
            for index in range(round(BAR / step)):
                pitch = pitches[order[index % len(order)]]
                velocity = 0.75 if index == 0 else 0.6
                notes.append(Note(bar * BAR + index * step, step * 1.6, pitch, velocity))
        return tuple(notes)

    def roots(self, near: int, beats: tuple[float, ...], length: float) -> tuple[Note, ...]:
        """Each bar's root on these beats."""
        return tuple(
            Note(bar * BAR + beat, length, self.key.chord(chord, near)[0], 0.85)
            for bar, chord in enumerate(self.chords)
            for beat in beats
        )

    def beat(
        self, pattern: dict[int, tuple[float, ...]], velocity: float = 0.8
    ) -> tuple[Note, ...]:
        """The same strokes in every bar: drum to beats."""
        return tuple(
            Note(bar * BAR + beat, 0.1, drum, velocity)
            for bar in range(len(self.chords))
            for drum, beats in pattern.items()
            for beat in beats
        )


EIGHTHS = tuple(n / 2 for n in range(8))
SIXTEENTHS = tuple(n / 4 for n in range(16))


def nocturne(sketch: Sketch) -> tuple[Part, ...]:
    """Slow broken chords and a sparse tune on the piano."""
    rhythm = ((2.0, 1.0, 1.0), (3.0, 1.0), (2.0, 2.0), (1.5, 0.5, 2.0))[sketch.rng.integers(4)]
    return (
        Part("piano", sketch.broken(48, (0, 2, 1, 2), 1.0), gain=0.6, pan=-0.2),
        Part("piano", sketch.melody(rhythm, 67), pan=0.15),
    )


def elegy(sketch: Sketch) -> tuple[Part, ...]:
    """Held low strings under a slow line."""
    rhythm = ((4.0,), (2.0, 2.0), (3.0, 1.0), (-1.0, 3.0))[sketch.rng.integers(4)]
    return (
        Part("strings", sketch.pads(46), gain=0.8, pan=-0.25),
        Part("strings", sketch.melody(rhythm, 58, leap=1, legato=1.0), pan=0.25),
    )


def folk_song(sketch: Sketch) -> tuple[Part, ...]:
    """A finger-picked guitar, bass and tune on the same strings."""
    order = ((0, 2, 1, 2), (0, 1, 2, 1), (0, 2, 3, 2), (0, 3, 2, 1))[sketch.rng.integers(4)]
    return (
        Part("guitar", sketch.broken(50, order, 0.5), gain=0.9, pan=-0.1),
        Part("guitar", sketch.roots(43, (0.0, 2.0), 1.8), gain=0.8),
        Part("guitar", sketch.melody((1.0, 1.0, 1.0, 1.0), 64), gain=0.9, pan=0.2),
    )


def rock_song(sketch: Sketch) -> tuple[Part, ...]:
    """Distorted chords in eighths, bass and a backbeat."""
    kicks = ((0.0, 1.5, 2.0), (0.0, 2.0, 2.5), (0.0, 0.5, 2.0), (0.0, 2.0))[sketch.rng.integers(4)]
    chords = tuple(
        Note(bar * BAR + beat, 0.45, pitch, 0.9 if beat in (0.0, 2.0) else 0.7)
        for bar, chord in enumerate(sketch.chords)
        for beat in EIGHTHS
        # Root, fifth and octave: thirds turn to mud under distortion.
        for pitch in (sketch.key.chord(chord, 43)[0] + rise for rise in (0, 7, 12))
    )
    pattern = {KICK: kicks, SNARE: (1.0, 3.0), CLOSED_HAT: EIGHTHS}
    return (
        Part("electric guitar", chords, gain=0.5, pan=-0.3),
        Part("synth bass", sketch.roots(33, EIGHTHS, 0.45), gain=0.8),
        Part("drums", sketch.beat(pattern), gain=1.1),
    )


def brass_march(sketch: Sketch) -> tuple[Part, ...]:
    """Two trumpets in thirds over a marching snare."""
    rhythm = (
        (1.0, 0.5, 0.5, 1.0, 1.0),
        (1.5, 0.5, 1.0, 1.0),
        (0.75, 0.25, 1.0, 1.0, 1.0),
        (1.0, 1.0, 0.5, 0.5, 1.0),
    )[sketch.rng.integers(4)]
    tune = sketch.melody(rhythm, 69, legato=0.75)
    low = tuple(Note(n.start, n.length, n.pitch - 12, n.velocity) for n in tune)
    pattern = {KICK: (0.0, 2.0), SNARE: (1.0, 1.75, 2.5, 3.0, 3.25, 3.5)}
    return (
        Part("trumpet", tune, pan=0.2),
        Part("trumpet", low, gain=0.8, pan=-0.2),
        Part("trumpet", sketch.roots(46, (0.0, 2.0), 0.8), gain=0.7),
        Part("drums", sketch.beat(pattern, 0.6), gain=0.8),
    )


def lullaby(sketch: Sketch) -> tuple[Part, ...]:
    """A music box, high and thin."""
    rhythm = ((1.0, 0.5, 0.5, 1.0, 1.0), (1.0, 1.0, 2.0), (0.5, 0.5, 1.0, 2.0), (2.0, 1.0, 1.0))[
        sketch.rng.integers(4)
    ]
    return (
        Part("music box", sketch.melody(rhythm, 88), pan=0.1),
        Part("music box", sketch.broken(79, (0, 2, 1), 1.0), gain=0.5, pan=-0.3),
    )


def chorale(sketch: Sketch) -> tuple[Part, ...]:
    """Four-part chords on a pipe organ, in halves."""
    near = int(sketch.rng.integers(48, 53))
    halves = tuple(
        Note(bar * BAR + 2 * half, 1.95, pitch, 0.8)
        for bar, chord in enumerate(sketch.chords)
        for half, step in enumerate((0, int(sketch.rng.choice([0, 2, 3]))))
        for pitch in sketch.key.chord(chord + step, near, 4)
    )
    return (
        Part("organ", halves, gain=0.8),
        Part("organ", sketch.roots(36, (0.0, 2.0), 1.95), gain=0.9),
    )


def techno(sketch: Sketch) -> tuple[Part, ...]:
    """Four on the floor, off-beat hats and a rolling bass."""
    riff = tuple(int(step) for step in sketch.rng.choice([0, 0, 0, 7, 12, 3], 16))
    bass = tuple(
        Note(bar * BAR + beat, 0.22, sketch.key.chord(chord, 36)[0] + riff[index], 0.8)
        for bar, chord in enumerate(sketch.chords)
        for index, beat in enumerate(SIXTEENTHS)
        if index % 4 != 0
    )
    pattern = {
        KICK: (0.0, 1.0, 2.0, 3.0),
        SNARE: (1.0, 3.0),
        OPEN_HAT: (0.5, 1.5, 2.5, 3.5),
        CLOSED_HAT: SIXTEENTHS,
    }
    return (
        Part("synth bass", bass, gain=0.8),
        Part("drums", sketch.beat(pattern), gain=1.0),
    )


def jig(sketch: Sketch) -> tuple[Part, ...]:
    """A running flute over strummed guitar."""
    rhythm = (
        (0.5,) * 8,
        (1.0,) + (0.5,) * 6,
        (0.5,) * 4 + (1.0, 1.0),
        (0.5, 0.5, 1.0, 0.5, 0.5, 1.0),
    )[sketch.rng.integers(4)]
    strum = tuple(
        Note(bar * BAR + beat, 0.4, pitch, 0.7)
        for bar, chord in enumerate(sketch.chords)
        for beat in (0.0, 1.0, 2.0, 3.0)
        for pitch in sketch.key.chord(chord, 55)
    )
    return (
        Part("flute", sketch.melody(rhythm, 78, legato=0.85), pan=0.15),
        Part("guitar", strum, gain=0.45, pan=-0.25),
    )


def meditation(sketch: Sketch) -> tuple[Part, ...]:
    """Single bells over nothing."""
    rhythm = ((4.0,), (2.0, 2.0), (-1.0, 3.0), (3.0, 1.0))[sketch.rng.integers(4)]
    return (
        Part("bells", sketch.melody(rhythm, 62, leap=3), pan=0.3),
        Part("bells", sketch.roots(53, (0.0,), 3.5), gain=0.7, pan=-0.3),
    )


Composer = Callable[[Sketch], tuple[Part, ...]]


@dataclass(frozen=True, slots=True)
class Style:
    """A character that many pieces can have.

    Attributes:
        compose: Writes the parts.
        tempi: Slowest and fastest, in beats per minute.
        modes: To choose from.
        progressions: To choose from; one degree a bar, repeated as needed.
        register: ``"low"``, ``"middle"`` or ``"high"``: where the tune lies.
        room: Share of reverberation.
        decay: Seconds of reverberation.
        gain: Loudness of the files, linear; quiet music is quiet.
    """

    compose: Composer
    tempi: tuple[float, float]
    modes: tuple[str, ...]
    progressions: tuple[tuple[int, ...], ...]
    register: str
    room: float
    decay: float
    gain: float = 1.0


_BRIGHT = ((0, 4, 5, 3), (0, 3, 4, 0), (0, 5, 3, 4))
_DARK = ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 6))

STYLES: dict[str, Style] = {
    "nocturne": Style(nocturne, (58, 70), ("major",), _BRIGHT, "middle", 0.25, 1.6, 0.45),
    "elegy": Style(elegy, (48, 58), ("minor",), _DARK, "low", 0.35, 2.2, 0.5),
    "folk song": Style(folk_song, (96, 112), ("major",), _BRIGHT, "middle", 0.12, 0.8, 0.7),
    "rock song": Style(rock_song, (136, 152), ("minor",), _DARK, "low", 0.1, 0.6),
    "brass march": Style(brass_march, (112, 122), ("major",), _BRIGHT, "middle", 0.2, 1.2),
    "lullaby": Style(lullaby, (72, 84), ("major",), _BRIGHT, "high", 0.2, 1.0, 0.35),
    "chorale": Style(chorale, (62, 74), ("minor",), _DARK, "low", 0.4, 2.5, 0.7),
    "techno": Style(techno, (124, 134), ("phrygian", "minor"), ((0, 0, 0, 5),), "low", 0.08, 0.5),
    "jig": Style(
        jig, (116, 130), ("dorian",), ((0, 6, 0, 4), (0, 3, 6, 0)), "high", 0.15, 0.9, 0.6
    ),
    "meditation": Style(
        meditation, (44, 54), ("lydian",), ((0, 1), (0, 4)), "middle", 0.45, 2.8, 0.4
    ),
}
"""By name."""
