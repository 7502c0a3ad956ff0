"""How note density follows the notes: pieces of known scores, from a note a second to a dozen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from indexer.synth.drums import CLOSED_HAT, KICK, SNARE
from indexer.synth.mixing import render
from indexer.synth.score import MODES, Note, Part, Score
from indexer.training.songs import SETS, Rendered
from retrieval.audio import Sound as Decoded
from retrieval.core.errors import PreconditionError
from retrieval.describe.intake import hear
from retrieval.describe.notes import Notes
from retrieval.describe.protocol import Sound
from tests.bench.measure import Table

RATE = 22_050
PIECES = 40
BANDS = 40
"""Songs of each of the sets that rhythm and harmony are measured on."""
_BEATS, _TEMPO = 40, 120.0
_SAME = 0.05
"""Seconds within which the same pitch on two instruments is one note."""
_VOICES = (("piano", 60), ("guitar", 55), ("flute", 72), ("music box", 76), ("trumpet", 65))


def run() -> list[Table]:
    """Plain pieces, and the mixed bands with all that is hard about them."""
    try:
        notes = Notes()
    except PreconditionError as error:
        print(f"  not measured: {error.message}")
        return []
    rows = [("plain pieces", *_row(notes, pieces(PIECES)))]
    for name, songs in SETS.items():
        found = [(_heard(song), density(song)) for song in songs(BANDS)]
        if found:
            rows.append((name, *_row(notes, iter(found))))
    return [
        Table(
            "Note density: correlation with the score, and median ratio to it",
            ("", "r", "ratio", "n"),
            tuple(rows),
            ("Plain: one to three of piano, guitar, flute, music box, trumpet, and drums.",),
        )
    ]


def pieces(count: int) -> Iterator[tuple[Sound, float]]:
    """Plain pieces as they are heard, with the notes that begin in them each second."""
    return islice((_piece(seed) for seed in range(10_000)), count)


def correlation(notes: Notes, songs: Iterator[tuple[Sound, float]]) -> tuple[float, float, int]:
    """Pearson's r of measured and true density, the median of their ratio, and how many songs."""
    told, true = [], []
    for sound, truth in songs:
        if truth > 0:
            told.append(float(str(notes.describe(sound).scalars["note_density"])))
            true.append(truth)
    ratio = float(np.median(np.array(told) / np.array(true)))
    return float(np.corrcoef(told, true)[0, 1]), ratio, len(true)


def density(song: Rendered) -> float:
    """Pitched notes that begin in a song, per second; unisons count once."""
    starts = [
        (note.pitch, note.start)
        for voice in song.song.voices
        if voice.timbre != "drums"
        for note in voice.line
    ]
    return _distinct(starts) / (len(song.sound) / song.rate)


def _row(notes: Notes, songs: Iterator[tuple[Sound, float]]) -> tuple[str, str, str]:
    r, ratio, count = correlation(notes, songs)
    return f"{r:.3f}", f"{ratio:.2f}", str(count)


def _heard(song: Rendered) -> Sound:
    return hear(Decoded(song.sound[:, None], song.rate, "wav"))


def _piece(seed: int) -> tuple[Sound, float]:
    rng = np.random.default_rng([seed, 0xD3])
    mode = MODES[str(rng.choice(sorted(MODES)))]
    tonic = int(rng.integers(-5, 6))
    chosen = rng.permutation(len(_VOICES))[: rng.integers(1, 4)]
    parts = [_line(*_VOICES[place], tonic, mode, rng) for place in chosen]
    if rng.random() < 0.5:
        strokes = [Note(at, 0.2, KICK if at % 2 == 0 else SNARE, 0.5) for at in range(_BEATS)]
        strokes += [Note(at / 2, 0.1, CLOSED_HAT, 0.3) for at in range(2 * _BEATS)]
        parts.append(Part("drums", tuple(strokes), 0.6))
    score = Score(_TEMPO, _BEATS, tuple(parts), room=0.1, decay=0.6)
    sound = render(score, RATE, seed)
    starts = [
        (note.pitch, note.start * 60.0 / _TEMPO)
        for part in parts
        if part.instrument != "drums"
        for note in part.notes
    ]
    return hear(Decoded(sound, RATE, "wav")), _distinct(starts) / (len(sound) / RATE)


def _line(
    instrument: str, near: int, tonic: int, mode: tuple[int, ...], rng: np.random.Generator
) -> Part:
    """A walk on the scale, in whole to sixteenth notes, some of them chords."""
    step = float(rng.choice([2.0, 1.0, 0.5, 0.25]))
    chords = rng.random() * 0.6 if instrument in {"piano", "guitar"} else 0.0
    notes, degree = [], 0
    for place in range(int(_BEATS / step)):
        degree = int(np.clip(degree + rng.integers(-3, 4), -5, 9))
        if rng.random() < 0.15:
            continue
        sizes = (0, 2, 4) if rng.random() < chords else (0,)
        for third in sizes:
            octave, scale = divmod(degree + third, 7)
            pitch = near + tonic + 12 * octave + mode[scale]
            notes.append(Note(place * step, 0.9 * step, pitch, float(rng.uniform(0.5, 0.9))))
    return Part(instrument, tuple(notes))


def _distinct(starts: list[tuple[int, float]]) -> int:
    count, last = 0, (-1, 0.0)
    for pitch, start in sorted(starts):
        count += pitch != last[0] or start - last[1] > _SAME
        last = (pitch, start)
    return count
