"""Who plays a score: its parts on one instrument, on a group that plays together, or on any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from indexer.training.palette import BASS, CHORDS, MELODY, TIMBRES, Timbre, playing
from indexer.training.scores import QUARTETS, TUNES, Piece

_INSIDE = 0.93
"""Share of a part's notes that an instrument must reach."""

_CHOIRS = {
    "strings": ("violin", "violin", "viola", "cello"),
    "string orchestra": ("string orchestra",),
    "saxophones": (
        *("soprano saxophone", "alto saxophone", "tenor saxophone", "baritone saxophone"),
    ),
    "brass": ("trumpet", "trumpet", "french horn", "trombone", "tuba"),
    "woodwinds": ("flute", "oboe", "clarinet", "bassoon"),
    "recorders": ("piccolo", "recorder", "pan flute", "clarinet", "bassoon"),
    "choir": ("choir",),
    "mallets": ("glockenspiel", "vibraphone", "marimba"),
    "plucked": ("harp", "acoustic guitar", "jazz guitar", "double bass"),
    "synthesizers": ("synth lead", "synth pad", "synth strings", "synth bass"),
}
"""Groups that play together, highest first."""
_HYMNS = frozenset({"choir", "church organ"})
_CELTIC = frozenset({"fiddle", "violin", "whistle", "flute", "accordion", "bagpipes", "harp"})


@dataclass(frozen=True, slots=True)
class Sounding:
    """A note on paper: start and length in quarters, MIDI pitch."""

    start: float
    length: float
    pitch: int


Part = tuple[Sounding, ...]


def orchestrate(
    piece: Piece, parts: Sequence[Part], rng: np.random.Generator, shift: int
) -> tuple[list[tuple[Timbre, Part]], str | None]:
    """Who plays what, the highest part first, and the genre that comes of it.

    Args:
        piece: Whose parts they are: as written, some pieces have a genre.
        parts: One or more.
        rng: Source of every choice.
        shift: Semitones that all is moved by.
    """
    moved = [
        tuple(Sounding(n.start, n.length, n.pitch + shift) for n in part)
        for part in sorted(parts, key=lambda part: -np.mean([note.pitch for note in part]))
    ]
    if len(moved) > 1 and rng.random() < 0.15:
        kept = sorted(rng.permutation(len(moved))[: int(rng.integers(1, 3))])
        moved = [moved[place] for place in kept]
    if len(moved) == 1:
        return _alone(piece, moved[0], rng)
    way = rng.random()
    if way < 0.3:
        timbre = TIMBRES[str(rng.choice([t.name for t in playing(CHORDS) if _plain(t)]))]
        found = [(timbre, _fitted(part, timbre, strict=False)) for part in moved]
        return found, "hymn" if piece.folder == "bach" and timbre.name in _HYMNS else None
    if way < 0.7:
        name = str(rng.choice(list(_CHOIRS)))
        if piece.folder in QUARTETS and rng.random() < 0.4:
            name = "strings"
        found = [
            player
            for place, part in enumerate(moved)
            if (player := _player(part, [TIMBRES[n] for n in _seats(name, place, len(moved))]))
        ]
        written = piece.folder in QUARTETS and name == "strings" and len(found) == 4
        hymn = piece.folder == "bach" and name in _HYMNS
        return found, "string quartet" if written else "hymn" if hymn else None
    found = []
    for place, part in enumerate(moved):
        role = BASS if place == len(moved) - 1 and rng.random() < 0.4 else MELODY
        offered = list(playing(role))
        rng.shuffle(offered)
        if player := _player(part, offered):
            found.append(player)
    return found, None


def _alone(
    piece: Piece, part: Part, rng: np.random.Generator
) -> tuple[list[tuple[Timbre, Part]], str | None]:
    """A tune on one instrument, sometimes with another at the unison, or an octave from it."""
    families = sorted({timbre.family for timbre in playing(MELODY)})
    found: list[tuple[Timbre, Part]] = []
    for _ in range(2 if rng.random() < 0.25 else 1):
        family = str(rng.choice(families))
        offered = list(playing(MELODY, families=(family,)))
        if piece.folder in TUNES and rng.random() < 0.35:
            offered = [TIMBRES[name] for name in sorted(_CELTIC)]
        rng.shuffle(offered)
        if player := _player(part, offered):
            found.append(player)
    irish = piece.folder == "oneills1850" and all(t.name in _CELTIC for t, _ in found)
    return found, "celtic" if irish else None


def _seats(name: str, place: int, parts: int) -> tuple[str, ...]:
    """Members of a group for one part, those in its seat first."""
    group = _CHOIRS[name]
    seat = round(place * (len(group) - 1) / max(1, parts - 1))
    return tuple(sorted(group, key=lambda member: abs(group.index(member) - seat)))


def _plain(timbre: Timbre) -> bool:
    """Whether several lines on it sound like one player."""
    return timbre.name not in {"tremolo strings", "pizzicato strings", "synth strings"}


def _player(part: Part, offered: Sequence[Timbre]) -> tuple[Timbre, Part] | None:
    """The first who can play it."""
    chords = len({note.start for note in part}) < len(part)
    for timbre in offered:
        # Who has no program is a singer, and sings one note at a time.
        if chords and not timbre.programs:
            continue
        fitted = _fitted(part, timbre)
        if fitted:
            return timbre, fitted
    return None


def _fitted(part: Part, timbre: Timbre, *, strict: bool = True) -> Part:
    """A part moved by octaves into an instrument's range, single notes too; empty if too wide."""
    best = max(
        (0, 12, -12, 24, -24),
        key=lambda octave: sum(timbre.low <= n.pitch + octave <= timbre.high for n in part),
    )
    inside = sum(timbre.low <= note.pitch + best <= timbre.high for note in part)
    if strict and inside < _INSIDE * len(part):
        return ()
    found = []
    for note in part:
        pitch = note.pitch + best
        while pitch < timbre.low:
            pitch += 12
        while pitch > timbre.high:
            pitch -= 12
        found.append(Sounding(note.start, note.length, pitch))
    return tuple(found)
