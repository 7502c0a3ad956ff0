"""Songs of a known form, such as A B A C A: what labels of sections are measured on.

Band, tempo and key of a song stay. Each letter has chords and a tune of its own; in half of the
songs that is all, in the other half letters also differ in who plays, and how. What comes again is
played by other hands, in half of the songs with another tune.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from indexer.training.compose import Song, Voice
from indexer.training.grooves import Groove, grooves
from indexer.training.palette import MELODY, PAD, TIMBRES, Timbre, playing
from indexer.training.parts import Line, Sheet, accompaniment, bass, drums, pad, tune

FORMS = ("AB", "ABA", "ABC", "ABAB", "ABCA", "ABAC", "ABACA", "ABABCB", "ABCABC")

_SECONDS = 14.0
"""Of a section at least; its bars are a multiple of four."""
_LOOPS = {
    "major": ((0, 5, 3, 4), (0, 4, 5, 3), (3, 4, 0, 5), (1, 4, 0, 0), (5, 3, 0, 4), (3, 0, 4, 1)),
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (5, 6, 0, 0), (3, 6, 2, 5), (0, 6, 5, 4), (2, 6, 3, 0)),
}
Choice = TypeVar("Choice")

_VOLUMES = {"chords": 90, "bass": 100, "melody": 105, "pad": 70, "drums": 100}


@dataclass(frozen=True, slots=True, eq=False)
class Formed:
    """A song, and its form.

    Attributes:
        song: What to play.
        form: Letters in the order of their coming.
        borders: Seconds of the sections' starts and of the end, one more than letters.
        alike: Whether letters differ in nothing but chords and tune.
    """

    song: Song
    form: str
    borders: tuple[float, ...]
    alike: bool


@dataclass(frozen=True, slots=True)
class _Letter:
    """How a passage is played; who is silent; and the seed of its tune."""

    chords: tuple[int, ...]
    pattern: str
    strokes: dict[str, str]
    busy: float
    higher: int
    silent: frozenset[str]
    seed: int


def formed(first: int, songs: int) -> Iterator[Formed]:
    """Songs of these seeds, the same on every machine."""
    for seed in range(first, first + songs):
        yield _formed(seed)


def _formed(seed: int) -> Formed:
    rng = np.random.default_rng([seed, 0xF0A])
    groove = _pick(rng, [one for one in grooves().values() if one.beats == 4 and any(one.drums)])
    tempo = float(rng.uniform(*groove.tempi))
    mode, form = _pick(rng, sorted(_LOOPS)), _pick(rng, FORMS)
    alike, again = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
    bars = 4 * int(np.ceil(_SECONDS * tempo / 960.0))
    length = bars * 240.0 / tempo
    letters = _letters(rng, groove, mode, bars, alike=alike)
    lead = _pick(rng, playing(MELODY, families=groove.lead))
    band = {
        "chords": TIMBRES[_pick(rng, groove.comp)],
        "bass": TIMBRES[_pick(rng, groove.low or ("bass guitar",))],
        "melody": lead,
        "pad": _pick(rng, playing(PAD)),
    }
    lines: dict[str, Line] = dict.fromkeys(_VOLUMES, ())
    for place, name in enumerate(form):
        letter = letters[name]
        sheet = Sheet(
            rng=np.random.default_rng([seed, place]),
            tempo=tempo,
            steps=groove.steps,
            beats=4,
            tonic=seed % 12,
            mode=mode,
            chords=letter.chords,
            velocity=groove.dynamics,
            human=0.006,
        )
        told = sheet if again else replace(sheet, rng=np.random.default_rng(letter.seed))
        for role, line in _played(sheet, told, letter, groove, lead).items():
            lines[role] += _later(line, place * length)
    song = Song(
        seed=seed,
        kind="groove",
        genre=None,
        tempo=tempo,
        beats=4,
        tonic=seed % 12,
        mode=mode,
        chords=tuple(degree for name in form for degree in letters[name].chords),
        seconds=length * len(form),
        voices=tuple(_voice(role, band.get(role), line) for role, line in lines.items() if line),
        room=float(rng.beta(1.2, 2.5)),
    )
    return Formed(song, form, tuple(n * length for n in range(len(form) + 1)), alike)


def _letters(
    rng: np.random.Generator, groove: Groove, mode: str, bars: int, *, alike: bool
) -> dict[str, _Letter]:
    """How A, B and C are played."""
    kits = [pattern for pattern in groove.drums if pattern]
    pattern, strokes = _pick(rng, groove.chords), _pick(rng, kits)
    found = {}
    for letter, loop in zip("ABC", rng.permutation(_LOOPS[mode]).tolist(), strict=False):
        other = _pick(rng, groove.chords), _pick(rng, kits)
        silent = {role for role in ("pad", "drums", "melody") if rng.random() < 0.35}
        busy, higher = float(rng.uniform(0.5, 2.0)), int(rng.integers(-7, 8))
        found[letter] = _Letter(
            chords=tuple(np.resize(loop, bars).tolist()),
            pattern=pattern if alike else other[0],
            strokes=strokes if alike else other[1],
            busy=1.0 if alike else busy,
            higher=0 if alike else higher,
            silent=frozenset(() if alike else silent),
            seed=int(rng.integers(2**31)),
        )
    return found


def _played(
    sheet: Sheet, told: Sheet, letter: _Letter, groove: Groove, lead: Timbre
) -> dict[str, Line]:
    """What everyone plays in one passage, from 0 seconds on; ``told`` is the tune's sheet."""
    near = (lead.low + lead.high) // 2 + letter.higher
    steps = next((pattern for pattern in groove.bass if pattern), "")
    lines = {
        "chords": accompaniment(sheet, letter.pattern, near=60 + letter.higher // 2, notes=3),
        "bass": bass(sheet, steps, near=38),
        "melody": tune(told, near=near, bounds=(lead.low, lead.high), busy=letter.busy, legato=0.8),
        "pad": pad(sheet, near=60, notes=3),
        "drums": drums(sheet, letter.strokes),
    }
    return {role: line for role, line in lines.items() if role not in letter.silent}


def _voice(role: str, timbre: Timbre | None, line: Line) -> Voice:
    name = "drums" if timbre is None else timbre.name
    program = 0 if timbre is None or not timbre.programs else timbre.programs[0]
    return Voice(name, program, role, line, _VOLUMES[role], 64)


def _later(line: Line, by: float) -> Line:
    return tuple(replace(note, start=note.start + by, end=note.end + by) for note in line)


def _pick(rng: np.random.Generator, those: Sequence[Choice]) -> Choice:
    return those[int(rng.integers(len(those)))]
