"""What the members of a band play, note by note."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from indexer.training import harmony
from indexer.training.grooves import DRUMS


@dataclass(frozen=True, slots=True)
class Played:
    """One note as it sounds: seconds, MIDI pitch (a drum on the drums' voice), velocity 1..127."""

    start: float
    end: float
    pitch: int
    velocity: int


Line = tuple[Played, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What every part of a song is written on.

    Attributes:
        rng: Source of every choice.
        tempo: Beats per minute.
        steps: Steps of a bar.
        beats: Beats of a bar.
        tonic: Pitch class.
        mode: Name in ``harmony.SCALES``.
        chords: Degree of the scale under each bar.
        velocity: Softest and loudest accompaniment.
        human: Seconds by which players are off the beat, standard deviation.
    """

    rng: np.random.Generator
    tempo: float
    steps: int
    beats: int
    tonic: int
    mode: str
    chords: tuple[int, ...]
    velocity: tuple[int, int]
    human: float

    @property
    def bar(self) -> float:
        """Seconds of a bar."""
        return self.beats * 60.0 / self.tempo

    def note(self, at: float, length: float, pitch: int, accent: float = 0.0) -> Played:
        """A note at a time in steps from the start, of a length in steps.

        Args:
            at: Steps.
            length: Steps.
            pitch: MIDI number.
            accent: Added to the velocity as a share of it.
        """
        step = self.bar / self.steps
        start = max(0.0, at * step + self.human * float(self.rng.standard_normal()))
        low, high = self.velocity
        velocity = float(self.rng.uniform(low, high)) * (1.0 + accent)
        return Played(
            start, start + max(0.04, length * step), pitch, int(np.clip(velocity, 8, 127))
        )


def drums(sheet: Sheet, pattern: Mapping[str, str]) -> Line:
    """The pattern in every bar, with a fill now and then."""
    found = []
    for bar in range(len(sheet.chords)):
        fill = bar % 8 == 7 and sheet.rng.random() < 0.6
        for name, strokes in pattern.items():
            for step, sign in enumerate(strokes):
                if sign == "." or (fill and step >= len(strokes) * 3 // 4):
                    continue
                accent = {"X": 0.2, "x": 0.0, "g": -0.45}[sign]
                at = bar * sheet.steps + step
                found.append(sheet.note(at, 1, DRUMS[name], accent))
        if fill:
            for step in range(sheet.steps * 3 // 4, sheet.steps):
                name = str(sheet.rng.choice(["snare", "high tom", "low tom"]))
                found.append(sheet.note(bar * sheet.steps + step, 1, DRUMS[name], 0.1))
    return tuple(found)


def bass(sheet: Sheet, pattern: str, *, near: int) -> Line:
    """Roots, fifths, octaves or walking steps on the pattern; an empty one holds the root."""
    found = []
    for bar, degree in enumerate(sheet.chords):
        root = harmony.root(sheet.tonic, sheet.mode, degree, near)
        strokes = [(i, s) for i, s in enumerate(pattern) if s != "."] or [(0, "x")]
        for place, (step, sign) in enumerate(strokes):
            following = strokes[place + 1][0] if place + 1 < len(strokes) else sheet.steps
            walk = int(sheet.rng.choice([0, 2, 4, -1, 1, 3])) if place else 0
            pitch = {
                "5": root + 7,
                "8": root + 12,
                "w": harmony.pitch(sheet.tonic, sheet.mode, walk, root),
            }.get(sign, root)
            length = 0.9 * (following - step)
            found.append(sheet.note(bar * sheet.steps + step, length, pitch, 0.1))
    return tuple(found)


def accompaniment(sheet: Sheet, pattern: str, *, near: int, notes: int) -> Line:
    """Chords on the pattern: struck, held or broken."""
    found = []
    turn = 0
    for bar, degree in enumerate(sheet.chords):
        pitches = harmony.chord(sheet.tonic, sheet.mode, degree, near, notes)
        for step, sign in enumerate(pattern):
            at = bar * sheet.steps + step
            if sign in "xX":
                length = 1.0
                while step + length < len(pattern) and pattern[step + int(length)] == "-":
                    length += 1
                accent = 0.15 if sign == "X" else -0.05
                found += [sheet.note(at, length * 0.92, pitch, accent) for pitch in pitches]
            elif sign == "a":
                order = (*pitches, pitches[0] + 12, *pitches[:0:-1])
                found.append(sheet.note(at, 3.0, order[turn % len(order)], -0.05))
                turn += 1
    return tuple(found)


def pad(sheet: Sheet, *, near: int, notes: int) -> Line:
    """Each bar's chord, held."""
    return tuple(
        sheet.note(bar * sheet.steps, sheet.steps * 0.99, pitch, -0.15)
        for bar, degree in enumerate(sheet.chords)
        for pitch in harmony.chord(sheet.tonic, sheet.mode, degree, near, notes)
    )


def tune(sheet: Sheet, *, near: int, bounds: tuple[int, int], busy: float, legato: float) -> Line:
    """A walk on the scale over rhythms that come back, with rests between phrases.

    Args:
        sheet: The song.
        near: MIDI number it stays around.
        bounds: Lowest and highest MIDI number.
        busy: Notes a beat.
        legato: Share of the time to the next note that a note is held.
    """
    rng = sheet.rng
    length = 2 * sheet.steps
    share = float(np.clip(busy * sheet.beats * 2 / length, 1.0 / length, 1.0))
    motifs = [_rhythm(sheet, share) for _ in range(int(rng.integers(2, 4)))]
    walks = [rng.integers(-2, 3, size=length) for _ in motifs]
    found = []
    span = len(harmony.SCALES[sheet.mode])
    for pair in range(-(-len(sheet.chords) // 2)):
        which = int(rng.integers(len(motifs))) if rng.random() < 0.4 else pair % len(motifs)
        rest = pair % 4 == 3 and rng.random() < 0.4
        onsets = [int(o) for o in motifs[which] if not (rest and o >= sheet.steps)]
        degree = 0
        for place, onset in enumerate(onsets):
            bar = 2 * pair + onset // sheet.steps
            if bar >= len(sheet.chords):
                break
            strong = onset % (sheet.steps // sheet.beats) == 0
            if place == 0 or (onset % sheet.steps == 0 and rng.random() < 0.7):
                degree = sheet.chords[bar] + int(rng.choice([0, 2, 4]))
            else:
                degree += int(walks[which][onset])
            degree = (degree + span) % (2 * span) - span
            pitch = harmony.pitch(sheet.tonic, sheet.mode, degree, near)
            while pitch > bounds[1]:
                pitch -= 12
            while pitch < bounds[0]:
                pitch += 12
            following = onsets[place + 1] if place + 1 < len(onsets) else length
            held = legato * min(following - onset, sheet.steps)
            accent = 0.2 if strong else 0.05
            found.append(sheet.note(2 * pair * sheet.steps + onset, held, pitch, accent))
    return tuple(found)


def _rhythm(sheet: Sheet, share: float) -> np.ndarray:
    """Steps of two bars on which notes start, more on the beat than off it."""
    length = 2 * sheet.steps
    beat = sheet.steps // sheet.beats
    places = np.arange(length)
    weight = np.where(places % sheet.steps == 0, 6.0, np.where(places % beat == 0, 3.0, 0.6))
    if beat % 2 == 0:
        weight = np.where(places % beat == beat // 2, 1.6, weight)
    count = max(1, round(share * length))
    chosen = sheet.rng.choice(
        length, size=min(count, length), replace=False, p=weight / weight.sum()
    )
    return np.sort(chosen)
