"""Half a minute of a score for other players: orchestrated, transposed and paced at random."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from indexer.training.compose import SECONDS, Song, Voice
from indexer.training.harmony import SCALES
from indexer.training.orchestration import Part, Sounding, orchestrate
from indexer.training.palette import CHORDS, MELODY, Timbre
from indexer.training.parts import Played
from indexer.training.scores import TUNES, Piece, corpus, pieces

_BEATS = {"2/2": 2, "2/4": 2, "3/4": 3, "4/4": 4, "6/8": 2, "9/8": 3, "12/8": 4, "3/2": 3}
"""Beats of a bar, by time signature; music in other ones is left out."""
_TEMPI = (46.0, 190.0)
_EVENTS = (0.5, 11.0)
"""Fewest and most starts of notes a second."""
_MOST_PARTS = 8
_SURE = 0.7
"""Correlation with a key's profile (Krumhansl and Schmuckler's) from which on it is believed."""
_TUNES, _OTHERS, _TAKES = 40, 12, 5
"""Of a shard: tunes, one take each; other pieces; takes of each of these."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A score as notes.

    Attributes:
        parts: In the order of the score, each with a note.
        bars: Start of every whole bar in quarters, and its time signature.
        end: Of the last bar, quarters.
        key: Tonic and mode, where it states one for all of it.
    """

    parts: tuple[Part, ...]
    bars: tuple[tuple[float, str], ...]
    end: float
    key: tuple[int, str] | None


@lru_cache(maxsize=8)
def paper(piece: Piece) -> Paper:
    """The notes of a piece. Grace notes, chord symbols and repeats are left out.

    Raises:
        music21.exceptions21.Music21Exception: If it cannot be read.
    """
    from music21 import converter

    options = {} if piece.number is None else {"number": piece.number}
    score = converter.parse(corpus() / piece.file, storePickle=False, **options)
    parts = [part.stripTies() for part in score.parts][:_MOST_PARTS]
    first = parts[0].getElementsByClass("Measure")
    bars: list[tuple[float, str]] = []
    meter, end = "", 0.0
    for measure in first:
        if measure.timeSignature is not None:
            meter = measure.timeSignature.ratioString
        end = float(measure.offset + measure.duration.quarterLength)
        bars.append((float(measure.offset), meter))
    found = (tuple(_notes(part)) for part in parts)
    keys = {(key.tonic.pitchClass, key.mode) for key in score.recurse().getElementsByClass("Key")}
    stated = keys.pop() if len(keys) == 1 else None
    key = stated if stated and stated[1] in SCALES and piece.folder in TUNES else None
    return Paper(tuple(part for part in found if part), tuple(bars), end, key)


def _notes(part: Any) -> list[Sounding]:
    return [
        Sounding(float(note.offset), float(note.quarterLength), int(pitch.midi))
        for note in part.flatten().notes
        if note.quarterLength > 0 and "ChordSymbol" not in note.classes
        for pitch in note.pitches
    ]


def songs(split: str, number: int, seed: int) -> Iterator[Song]:
    """The songs of one shard: those of a piece one after another, as reading it takes longest.

    Args:
        split: ``"train"``, ``"valid"`` or ``"test"``: whose pieces.
        number: Of the shard; the first ones have all different pieces.
        seed: Of the first song.
    """
    rng = np.random.default_rng([0x5C0, len(split)])
    both: tuple[list[Piece], list[Piece]] = ([], [])
    for piece in pieces(split):
        both[piece.folder in TUNES].append(piece)
    takes = []
    for found, count, each in zip(both, (_OTHERS, _TUNES), (_TAKES, 1), strict=True):
        order = rng.permutation(len(found))
        places = [order[(number * count + place) % len(order)] for place in range(count)]
        takes += [found[place] for place in places for _ in range(each)]
    for place, piece in enumerate(takes):
        song = arrange(piece, seed + place)
        if song is not None:
            yield song


def arrange(piece: Piece, seed: int) -> Song | None:
    """Half a minute of a piece as a song of a seed; None if it has none that is in one metre.

    Args:
        piece: Of ``scores.pieces``.
        seed: Source of every choice.
    """
    rng = np.random.default_rng([seed, 0x5C0])
    found = paper(piece)
    if not found.parts or not found.bars:
        return None
    for _ in range(12):
        song = _attempt(piece, found, rng, seed)
        if song is not None:
            return song
    return None


def _attempt(piece: Piece, found: Paper, rng: np.random.Generator, seed: int) -> Song | None:
    tempo = float(np.exp(rng.uniform(*np.log(_TEMPI))))
    latest = max(1, len(found.bars) - 12)
    first = int(rng.integers(latest)) if len(found.bars) > 24 else 0
    start, meter = found.bars[first]
    if meter not in _BEATS:
        return None
    beats = _BEATS[meter]
    over, under = map(int, meter.split("/"))
    bar = 4.0 * over / under
    count = int(np.ceil(SECONDS / (beats * 60.0 / tempo)))
    used = found.bars[first : first + count]
    if any(one != meter for _, one in used):
        return None
    stop = min(found.end, start + count * bar)
    # What is shorter than half a minute is played again from its beginning, as tunes are.
    parts = [_again(_cut(part, start, stop), stop - start, count * bar) for part in found.parts]
    parts = [part for part in parts if part]
    starts = {round(note.start, 3) for part in parts for note in part}
    seconds = count * beats * 60.0 / tempo
    if not parts or not _EVENTS[0] <= len(starts) / seconds <= _EVENTS[1]:
        return None
    shift = int(rng.integers(-6, 7))
    key = found.key or _key(parts, count * bar)
    voices, genre = orchestrate(piece, parts, rng, shift)
    if not voices:
        return None
    quarter = seconds / (count * bar)
    manner = _Manner(rng, quarter, bar, piece.folder in TUNES)
    players = {timbre.name for timbre, _ in voices}
    return Song(
        seed=seed,
        kind={1: "solo", 2: "duo"}.get(len(players), "free"),
        genre=genre,
        tempo=tempo,
        beats=beats,
        tonic=(key[0] + shift) % 12 if key else 0,
        mode=key[1] if key else None,
        chords=(),
        seconds=seconds,
        voices=tuple(manner.voice(place, *voice) for place, voice in enumerate(voices)),
        room=float(rng.beta(1.2, 2.5)),
    )


def _cut(part: Part, start: float, stop: float) -> list[Sounding]:
    return [
        Sounding(note.start - start, min(note.length, stop - note.start), note.pitch)
        for note in part
        if start <= note.start < stop
    ]


def _again(part: list[Sounding], period: float, length: float) -> Part:
    times = int(np.ceil(length / period - 1e-6)) if period > 0 else 0
    shifted = (
        Sounding(note.start + turn * period, note.length, note.pitch)
        for turn in range(times)
        for note in part
    )
    return tuple(note for note in shifted if note.start < length - 1e-6)


def _key(parts: Sequence[Part], length: float) -> tuple[int, str] | None:
    """Tonic and mode, where every third of the music has that mode too."""
    whole = _heard_key(parts, 0.0, length)
    thirds = [_heard_key(parts, n * length / 3, (n + 1) * length / 3) for n in range(3)]
    return whole if whole and all(one and one[1] == whole[1] for one in thirds) else None


def _heard_key(parts: Sequence[Part], start: float, stop: float) -> tuple[int, str] | None:
    from music21 import note, stream

    heard = stream.Stream()
    for part in parts:
        for one in part:
            if start <= one.start < stop:
                heard.insert(one.start, note.Note(one.pitch, quarterLength=one.length))
    if not len(heard):
        return None
    key = heard.analyze("key")
    sure = key.correlationCoefficient >= _SURE
    return (int(key.tonic.pitchClass), str(key.mode)) if sure else None


class _Manner:
    """How a song is played: loudness, length of notes, accents, and who comes forward."""

    def __init__(self, rng: np.random.Generator, quarter: float, bar: float, tune: bool) -> None:
        self._rng, self._quarter, self._bar = rng, quarter, bar
        self._middle = float(rng.uniform(48, 112))
        self._swell = float(rng.uniform(0, 14))
        self._accent = float(rng.uniform(0, 14 if tune else 8))
        self._legato = float(rng.uniform(0.4, 1.05))
        self._human = float(rng.choice([0.0, 0.006, 0.012]))

    def voice(self, place: int, timbre: Timbre, part: Part) -> Voice:
        """The part as it sounds."""
        rng = self._rng
        line = []
        for note in part:
            start = max(0.0, note.start * self._quarter + rng.normal(0, self._human))
            length = max(0.05, note.length * self._quarter * min(1.0, self._legato))
            wave = self._swell * np.sin(2 * np.pi * note.start / (4 * self._bar))
            strong = self._accent if note.start % self._bar < 1e-3 else 0.0
            loud = int(np.clip(self._middle + wave + strong + rng.normal(0, 3), 20, 126))
            line.append(Played(start, start + length, note.pitch, loud))
        program = int(rng.choice(timbre.programs)) if timbre.programs else 0
        volume = 110 if place == 0 else int(rng.integers(75, 105))
        pan = int(np.clip(rng.normal(64, 22), 10, 117))
        role = MELODY if place == 0 else CHORDS
        return Voice(timbre.name, program, role, tuple(line), volume, pan)
