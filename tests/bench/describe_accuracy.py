"""How right the descriptors of rhythm and harmony are, on rendered songs with full truth.

As MIREX counts: tempo within 4 % (acc1; acc2 also its half, third, double and triple), beats and
downbeats within 70 ms (F), chords by the time that their triad is right, among major and minor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.training.songs import SETS, Truth, heard
from retrieval.describe.harmony import harmony
from retrieval.describe.key import key
from retrieval.describe.levels import pulse
from retrieval.describe.protocol import Sound
from retrieval.describe.rhythm import beats, steady_bpm
from tests.bench.measure import Table

SONGS = 100
"""Of each set."""

Times = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Over one set of songs; shares 0..1.

    Attributes:
        key: Tonic and mode are right.
        key_sure: The same of the 70 % with the highest confidence.
        acc1: The tempo is right.
        acc2: The tempo is right but for its octave or a third of it.
        beats: F-measure.
        downbeats: F-measure, of songs whose downbeats are given.
        given: Share of the songs whose downbeats are given.
        chords: Share of the time.
        counts: Songs with a key, a tempo, beats; seconds of chords.
    """

    key: float
    key_sure: float
    acc1: float
    acc2: float
    beats: float
    downbeats: float
    given: float
    chords: float
    counts: tuple[int, int, int, int]


def run() -> list[Table]:
    """All sets that can be rendered here."""
    rows = []
    for name, songs in SETS.items():
        found = accuracy((heard(song), song.truth) for song in songs(SONGS))
        if found is not None:
            shares = (found.key, found.key_sure, found.acc1, found.acc2, found.beats)
            more = (found.chords, found.downbeats, found.given)
            counts = " ".join(str(count) for count in found.counts)
            rows.append((name, *(f"{share:.3f}" for share in (*shares, *more)), counts))
    heads = ("key", "top 70 %", "acc1", "acc2", "beat F", "chords", "downbeat F", "given")
    return [
        Table(
            f"Rhythm and harmony: {SONGS} rendered songs of each set",
            ("", *heads, "n"),
            tuple(rows),
            (
                "n: songs with a key, a tempo, beats; seconds of chords.",
                "Nothing was fitted on these songs, and nothing on the soundfont of set B.",
            ),
        )
    ]


def accuracy(songs: Iterable[tuple[Sound, Truth]]) -> Accuracy | None:
    """Over songs as they are heard; None if there are none."""
    keys: list[tuple[float, bool]] = []
    tempi: list[tuple[bool, bool]] = []
    tapped: list[float] = []
    barred: list[float] = []
    chords = np.zeros(2)
    for sound, truth in songs:
        if truth.key is not None:
            found = sound.share(key)
            right = found and found.key.tonic + 12 * found.key.minor == truth.key
            keys.append((found.confidence if found else 0.0, bool(right)))
        if truth.bpm is not None:
            told = sound.share(pulse)
            bpm = steady_bpm(told.taps, told.bpm) if told else 1.0
            tempi.append((near(bpm, truth.bpm), any(near(bpm, truth.bpm * r) for r in _OCTAVES)))
        if len(truth.beats):
            moments = sound.share(beats)
            tapped.append(f_measure(moments.beats, truth.beats))
            if len(moments.downbeats):
                barred.append(f_measure(moments.downbeats, truth.downbeats))
        chords += chord_seconds(sound, truth)
    if not tempi:
        return None
    sure = sorted(keys, reverse=True)[: round(0.7 * len(keys))]
    return Accuracy(
        key=_mean([right for _, right in keys]),
        key_sure=_mean([right for _, right in sure]),
        acc1=_mean([one for one, _ in tempi]),
        acc2=_mean([two for _, two in tempi]),
        beats=_mean(tapped),
        downbeats=_mean(barred),
        given=len(barred) / max(1, len(tapped)),
        chords=float(chords[0] / chords[1]),
        counts=(len(keys), len(tempi), len(tapped), int(chords[1])),
    )


_OCTAVES = (1, 2, 3, 1 / 2, 1 / 3)


def near(bpm: float, truth: float) -> bool:
    """Whether a tempo is right."""
    return abs(bpm / truth - 1.0) < 0.04


def f_measure(found: Times, truth: Times) -> float:
    """Harmonic mean of precision and recall of moments within 70 ms, each taken once."""
    hits = place = 0
    for moment in truth:
        while place < len(found) and found[place] < moment - 0.07:
            place += 1
        if place < len(found) and found[place] <= moment + 0.07:
            hits += 1
            place += 1
    return 2.0 * hits / max(1, len(found) + len(truth))


def chord_seconds(sound: Sound, truth: Truth) -> tuple[float, float]:
    """Seconds whose chord is right, and seconds whose chord is known."""
    found = sound.share(harmony)
    right = known = 0.0
    for start, end, chord in truth.chords:
        inside = np.minimum(found.edges[1:], end) - np.maximum(found.edges[:-1], start)
        right += float(np.maximum(inside, 0.0)[found.chords == chord].sum())
        known += end - start
    return right, known


def _mean(values: list[float] | list[bool]) -> float:
    return float(np.mean(values)) if values else float("nan")
