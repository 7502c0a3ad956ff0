"""Songs from a seed: arrangements of every kind, from a solo to a full band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from indexer.training.grooves import Groove, grooves
from indexer.training.harmony import progression
from indexer.training.palette import MELODY, TIMBRES, Timbre, playing
from indexer.training.parts import Line, Sheet, accompaniment, bass, drums, pad, tune

SECONDS = 32.0
"""How long a song is at least; it ends with a bar."""

KINDS = ("groove", "free", "solo", "duo", "drums")
_SHARES = (0.5, 0.16, 0.22, 0.07, 0.05)


@dataclass(frozen=True, slots=True)
class Voice:
    """One instrument's part.

    Attributes:
        timbre: Name in ``palette.TIMBRES``, or ``"drums"``.
        program: General MIDI program, or the kit for drums.
        role: What it plays: ``"melody"``, ``"chords"``, ``"bass"``, ``"pad"`` or ``"drums"``.
        line: Its notes.
        volume: 0..127.
        pan: 0 is left, 127 is right.
    """

    timbre: str
    program: int
    role: str
    line: Line
    volume: int
    pan: int


@dataclass(frozen=True, slots=True)
class Song:
    """A composition, and what is true of it as a whole.

    Attributes:
        seed: It was made from.
        kind: One of ``KINDS``.
        genre: Name in ``grooves``; None where the arrangement belongs to none.
        tempo: Beats per minute.
        beats: Beats of a bar.
        tonic: Pitch class, 0 is C.
        mode: Name in ``harmony.SCALES``; None without pitch.
        chords: Degree of the scale under each bar.
        seconds: Length without the ring at the end.
        voices: In order of prominence.
        room: Reverberation, 0..1.
    """

    seed: int
    kind: str
    genre: str | None
    tempo: float
    beats: int
    tonic: int
    mode: str | None
    chords: tuple[int, ...]
    seconds: float
    voices: tuple[Voice, ...]
    room: float


def compose(seed: int) -> Song:
    """The song of a seed: the same on every machine."""
    rng = np.random.default_rng([seed, 0x5E6E])
    kind = str(rng.choice(KINDS, p=_SHARES))
    names = list(grooves())
    genre = str(rng.choice(names))
    if kind == "drums":
        genre = str(rng.choice([n for n in names if any(grooves()[n].drums)]))
    groove = grooves()[genre]
    tempo = float(np.clip(rng.uniform(*groove.tempi) * rng.uniform(0.9, 1.1), 40, 210))
    bars = int(np.ceil(SECONDS / (groove.beats * 60.0 / tempo)))
    mode = str(rng.choice(groove.modes))
    low, high = groove.dynamics
    middle = float(rng.uniform(low, high))
    sheet = Sheet(
        rng=rng,
        tempo=tempo,
        steps=groove.steps,
        beats=groove.beats,
        tonic=int(rng.integers(12)),
        mode=mode,
        chords=tuple(
            np.resize(progression(mode, rng, jazz="jazz" in genre or "bossa" in genre), bars)
        ),
        velocity=(int(max(25, middle - 10)), int(min(126, middle + 10))),
        human=float(rng.choice([0.0, 0.006, 0.012])),
    )
    make = {"groove": _band, "free": _ensemble, "solo": _solo, "duo": _duo, "drums": _drums}[kind]
    voices = _with_entries(tuple(make(groove, sheet)), sheet, kind)
    return Song(
        seed=seed,
        kind=kind,
        genre=genre if kind == "groove" or (kind == "drums" and rng.random() < 0.7) else None,
        tempo=tempo,
        beats=groove.beats,
        tonic=sheet.tonic,
        mode=None if kind == "drums" else mode,
        chords=tuple(int(degree) for degree in sheet.chords),
        seconds=sheet.bar * bars,
        voices=voices,
        room=float(rng.beta(1.2, 2.5)),
    )


def _band(groove: Groove, sheet: Sheet) -> list[Voice]:
    """The usual line-up of a genre, sometimes with someone missing."""
    rng = sheet.rng
    least, most = groove.parts
    count = int(rng.integers(least, most + 1))
    comp = TIMBRES[str(rng.choice(groove.comp))]
    notes = 4 if rng.random() < groove.seventh else 3
    found: list[Voice] = []
    leads = playing(MELODY, families=groove.lead)
    if leads and (count > 1 or rng.random() < 0.6):
        found.append(_tune(_pick(rng, leads), groove, sheet))
    found.append(_chords(comp, groove, sheet, notes))
    if groove.bass and rng.random() < 0.9:
        found.append(_bass(TIMBRES[str(rng.choice(groove.low))], groove, sheet))
    if groove.pads and count > 2 and rng.random() < 0.7:
        found.append(_pad(TIMBRES[str(rng.choice(groove.pads))], sheet, notes))
    if leads and count > 3:
        found.append(_tune(_pick(rng, leads), groove, sheet, busy=0.5, volume=75))
    if groove.drums and rng.random() < 0.88:
        found.extend(_drums(groove, sheet))
    return found


def _ensemble(groove: Groove, sheet: Sheet) -> list[Voice]:
    """Whoever happens to be there, so that no genre can be told by an instrument alone."""
    rng = sheet.rng
    found = [_tune(_pick(rng, playing(MELODY)), groove, sheet)]
    if rng.random() < 0.85:
        found.append(_chords(_pick(rng, playing("chords")), groove, sheet, 3))
    if rng.random() < 0.6:
        pattern = groove if groove.bass else grooves()["folk"]
        same = pattern.steps == groove.steps
        if same:
            found.append(_bass(_pick(rng, playing("bass")), pattern, sheet))
    if rng.random() < 0.3:
        found.append(_pad(_pick(rng, playing("pad")), sheet, 3))
    if any(groove.drums) and rng.random() < 0.5:
        found.extend(_drums(groove, sheet))
    return found


def _solo(groove: Groove, sheet: Sheet) -> list[Voice]:
    rng = sheet.rng
    role = str(rng.choice(["melody", "melody", "chords", "both", "bass", "pad"]))
    if role == "melody":
        return [_tune(_pick(rng, playing(MELODY)), groove, sheet)]
    if role == "bass":
        pattern = groove if groove.bass else None
        timbre = _pick(rng, playing("bass"))
        if pattern is None:
            return [_tune(timbre, groove, sheet, busy=0.6)]
        return [_bass(timbre, pattern, sheet)]
    if role == "pad":
        return [_pad(_pick(rng, playing("pad")), sheet, 3)]
    timbre = _pick(rng, playing("chords"))
    found = [_chords(timbre, groove, sheet, 3)]
    if role == "both" and MELODY in timbre.roles:
        found.insert(0, replace(_tune(timbre, groove, sheet), program=found[0].program))
    return found


def _duo(groove: Groove, sheet: Sheet) -> list[Voice]:
    rng = sheet.rng
    tune = _tune(_pick(rng, playing(MELODY)), groove, sheet)
    if rng.random() < 0.3:
        return [tune, _tune(_pick(rng, playing(MELODY)), groove, sheet, busy=0.6, volume=90)]
    return [tune, _chords(_pick(rng, playing("chords")), groove, sheet, 3)]


def _drums(groove: Groove, sheet: Sheet) -> list[Voice]:
    patterns = [pattern for pattern in groove.drums if pattern]
    if not patterns or (len(patterns) < len(groove.drums) and sheet.rng.random() < 0.4):
        return []
    pattern = patterns[int(sheet.rng.integers(len(patterns)))]
    kit = int(sheet.rng.choice(groove.kits))
    volume = int(sheet.rng.integers(85, 120))
    return [Voice("drums", kit, "drums", drums(sheet, pattern), volume, 64)]


def _tune(
    timbre: Timbre, groove: Groove, sheet: Sheet, *, busy: float = 1.0, volume: int = 110
) -> Voice:
    rng = sheet.rng
    line = tune(
        sheet,
        near=_near(timbre, rng, 0.35, 0.7),
        bounds=(timbre.low, timbre.high),
        busy=float(rng.uniform(*groove.busy)) * busy,
        legato=float(rng.uniform(*groove.legato)),
    )
    return _voice(timbre, "melody", line, sheet, volume)


def _chords(timbre: Timbre, groove: Groove, sheet: Sheet, notes: int) -> Voice:
    near = int(np.clip(_near(timbre, sheet.rng, 0.25, 0.6), 46, 72))
    pattern = str(sheet.rng.choice(groove.chords))
    line = accompaniment(sheet, pattern, near=near, notes=notes)
    return _voice(timbre, "chords", line, sheet, int(sheet.rng.integers(70, 100)))


def _bass(timbre: Timbre, groove: Groove, sheet: Sheet) -> Voice:
    pattern = str(sheet.rng.choice([p for p in groove.bass if p] or [""]))
    near = max(timbre.low + 5, int(sheet.rng.integers(34, 44)))
    return _voice(timbre, "bass", bass(sheet, pattern, near=near), sheet, 100)


def _pad(timbre: Timbre, sheet: Sheet, notes: int) -> Voice:
    near = int(sheet.rng.integers(50, 70))
    return _voice(timbre, "pad", pad(sheet, near=near, notes=notes), sheet, 75)


def _voice(timbre: Timbre, role: str, line: Line, sheet: Sheet, volume: int) -> Voice:
    program = int(sheet.rng.choice(timbre.programs)) if timbre.programs else 0
    pan = int(np.clip(sheet.rng.normal(64, 22), 10, 117))
    return Voice(timbre.name, program, role, line, volume, pan)


def _near(timbre: Timbre, rng: np.random.Generator, low: float, high: float) -> int:
    return int(timbre.low + rng.uniform(low, high) * (timbre.high - timbre.low))


def _pick(rng: np.random.Generator, timbres: Sequence[Timbre]) -> Timbre:
    """One of them, families first, so that no family with many members takes over."""
    families = sorted({timbre.family for timbre in timbres})
    family = str(rng.choice(families))
    those = [timbre for timbre in timbres if timbre.family == family]
    return those[int(rng.integers(len(those)))]


def _with_entries(voices: tuple[Voice, ...], sheet: Sheet, kind: str) -> tuple[Voice, ...]:
    """Let some voices of a band pause for a stretch, as arrangements do."""
    if kind not in {"groove", "free"} or len(voices) < 3:
        return voices
    rng = sheet.rng
    end = sheet.bar * len(sheet.chords)
    found = []
    for place, voice in enumerate(voices):
        line = voice.line
        if place and rng.random() < 0.35:
            # In or out at a border of four bars.
            border = sheet.bar * 4 * float(rng.integers(1, max(2, len(sheet.chords) // 4)))
            start, stop = (border, end) if rng.random() < 0.6 else (0.0, border)
            line = tuple(note for note in line if start <= note.start < stop) or line
        found.append(replace(voice, line=line))
    return tuple(found)
