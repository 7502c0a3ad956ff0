"""How note density follows the notes: pieces of known scores, from a note a second to a dozen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from indexer.synth.drums import CLOSED_HAT, KICK, SNARE
from indexer.synth.mixing import render
from indexer.synth.score import MODES, Note, Part, Score
from indexer.training.compose import Song, compose
from indexer.training.density import beginnings, distinct
from indexer.training.songs import SETS, Rendered, fluid, heard, own
from retrieval.audio import Sound as Decoded
from retrieval.core.errors import PreconditionError
from retrieval.describe.intake import hear
from retrieval.describe.notes import Notes
from retrieval.describe.protocol import Sound
from tests.bench.measure import Table

RATE = 22_050
PIECES = 40
SONGS = 100
"""Of each set."""
_BEATS, _TEMPO = 40, 120.0
_VOICES = (("piano", 60), ("guitar", 55), ("flute", 72), ("music box", 76), ("trumpet", 65))

KINDS: dict[str, Callable[[int], Iterator[Rendered]]] = {
    "own synthesiser": lambda songs: own(_songs(1_500_000, songs)),
    "A (FluidR3, TimGM6mb)": lambda songs: fluid(
        ("FluidR3_GM.sf2", "TimGM6mb.sf2"), _songs(2_500_000, songs)
    ),
    "B (csound, held out)": lambda songs: fluid(("sf_GMbank.sf2",), _songs(3_500_000, songs)),
}
"""Songs as a library has them, from a solo to a full band, and some of drums alone."""


def run() -> list[Table]:
    """Plain pieces, mixed bands, and songs of every kind."""
    try:
        notes = Notes()
    except PreconditionError as error:
        print(f"  not measured: {error.message}")
        return []
    rows = [("plain pieces", *_row(notes, pieces(PIECES)))]
    for title, sets in (("bands", SETS), ("all kinds", KINDS)):
        for name, songs in sets.items():
            found = [(heard(song), density(song)) for song in songs(SONGS)]
            if found:
                rows.append((f"{title}: {name}", *_row(notes, found)))
    return [
        Table(
            "Note density: how the told one goes with the score's",
            ("", "r", "r of logarithms", "ratio", "right", "score", "n"),
            tuple(rows),
            (
                "Plain: one to three of piano, guitar, flute, music box, trumpet, and drums.",
                "Every note of the score counts but for what our own strings let go before they "
                "speak.",
                "Logarithms of the density and a half; the median ratio; right within a quarter of "
                "one and the score; deciles of the score.",
                "No weights were fitted on these songs, and none on the soundfont of set B; by how "
                "much counting may raise a density was chosen with their figures in sight.",
            ),
        )
    ]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of told and true densities.

    Attributes:
        r: Pearson's correlation.
        logs: That of the logarithms, of the density and a half.
        ratio: Median of told by true, of what has any notes.
        right: Share that is right within a quarter of the truth and one.
        sure: The same of the half with the highest confidence.
        deciles: The first and the ninth, of the truth.
        count: Of songs.
    """

    r: float
    logs: float
    ratio: float
    right: float
    sure: float
    deciles: tuple[float, float]
    count: int


def agreement(notes: Notes, songs: Iterable[tuple[Sound, float]]) -> Agreement:
    """How told densities agree with true ones."""
    rows = []
    for sound, truth in songs:
        found = notes.describe(sound).scalars
        told, sure = found.get("note_density", 0.0), found.get("note_density_confidence", 1.0)
        rows.append((float(str(told)), truth, float(str(sure))))
    told, true, confidence = np.array(rows).T
    right = np.abs(told - true) < 0.25 * (1.0 + true)
    return Agreement(
        r=float(np.corrcoef(told, true)[0, 1]),
        logs=float(np.corrcoef(np.log(told + 0.5), np.log(true + 0.5))[0, 1]),
        ratio=float(np.median(told[true > 0] / true[true > 0])),
        right=float(right.mean()),
        sure=float(right[np.argsort(-confidence)[: len(rows) // 2]].mean()),
        deciles=(float(np.quantile(true, 0.1)), float(np.quantile(true, 0.9))),
        count=len(rows),
    )


def _row(notes: Notes, songs: Iterable[tuple[Sound, float]]) -> tuple[str, ...]:
    found = agreement(notes, songs)
    shares = (found.r, found.logs, found.ratio, found.right)
    low, high = found.deciles
    return (*(f"{share:.3f}" for share in shares), f"{low:.1f}–{high:.1f}", str(found.count))


def pieces(count: int) -> Iterator[tuple[Sound, float]]:
    """Plain pieces as they are heard, with the notes that begin in them each second."""
    return islice((_piece(seed) for seed in range(10_000)), count)


def density(song: Rendered) -> float:
    """Pitched notes that begin in a song, per second; unisons count once."""
    return len(beginnings(song)) / (len(song.sound) / song.rate)


def _songs(first: int, songs: int) -> Iterator[Song]:
    return map(compose, range(first, first + songs))


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
    return hear(Decoded(sound, RATE, "wav")), len(distinct(starts)) / (len(sound) / RATE)


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
