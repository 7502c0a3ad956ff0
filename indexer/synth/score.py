"""Scores: notes in beats, grouped in parts, with a tempo; keys and modes."""

from __future__ import annotations

from dataclasses import dataclass

MODES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
}
"""Semitones of each mode's seven degrees above its tonic."""

NOTE_NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@dataclass(frozen=True, slots=True)
class Note:
    """One note, or one stroke of a drum.

    Attributes:
        start: Beats from the beginning.
        length: Beats until it is released.
        pitch: MIDI note number, 60 is middle C; for drums one of ``drums.KICK``, …
        velocity: Loudness, 0..1.
    """

    start: float
    length: float
    pitch: int
    velocity: float = 0.8


@dataclass(frozen=True, slots=True)
class Part:
    """What one instrument plays.

    Attributes:
        instrument: Name in ``instruments.VOICES``, or ``"drums"``.
        notes: In any order.
        gain: Linear.
        pan: -1 is left, 1 is right.
    """

    instrument: str
    notes: tuple[Note, ...]
    gain: float = 1.0
    pan: float = 0.0


@dataclass(frozen=True, slots=True)
class Score:
    """A piece on paper.

    Attributes:
        tempo: Beats per minute.
        beats: Length in beats; sound may ring on for a second.
        parts: The instruments.
        room: Share of reverberation in the mix, 0..1.
        decay: Seconds until the reverberation has fallen by 60 dB.
    """

    tempo: float
    beats: float
    parts: tuple[Part, ...]
    room: float = 0.2
    decay: float = 1.2

    @property
    def seconds(self) -> float:
        """Length in seconds, without the ring at the end."""
        return self.beats * 60.0 / self.tempo


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic pitch class (0 is C) and a mode."""

    tonic: int
    mode: str

    def __str__(self) -> str:
        return f"{NOTE_NAMES[self.tonic]} {self.mode}"

    def pitch(self, degree: int, near: int) -> int:
        """MIDI number of a degree of the scale.

        Args:
            degree: 0 is the tonic; 7 is the tonic an octave up, -1 the degree below it.
            near: MIDI number; degree 0 is the tonic at most a tritone away from it.
        """
        root = near + (self.tonic - near + 6) % 12 - 6
        octave, step = divmod(degree, 7)
        return root + 12 * octave + MODES[self.mode][step]

    def chord(self, degree: int, near: int, notes: int = 3) -> tuple[int, ...]:
        """MIDI numbers of the chord in thirds on a degree, close to ``near``."""
        low = self.pitch(degree, near)
        # Above the tritone the same chord an octave down lies closer.
        drop = 7 if low - near > 6 else 0
        return tuple(self.pitch(degree - drop + 2 * third, near) for third in range(notes))
