"""How right sections and their letters are, on rendered songs of a known form.

Pairs of moments are alike or not (F-measure of those that are; Levy and Sandler, 2008), forms are
right letter for letter, and borders within three seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.training.songs import BANDS, heard
from retrieval.describe.protocol import Sound
from retrieval.describe.sections import Sections
from tests.bench.forms import Formed, formed
from tests.bench.measure import Table

SONGS = 40
"""Of each set."""

_FIRST = 20_000
_STEP, _NEAR = 0.25, 3.0
"""Seconds between the moments that are compared, and that a border may be off by."""

Labels = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Rightness:
    """Of one song: F-measure of its pairs, whether its form is right; and what was told of it.

    Attributes:
        pairs: 0..1.
        form: Letter for letter.
        count: Whether there are as many passages.
        borders: Those that are right, those found, those there are.
        sure: ``form_confidence``.
    """

    pairs: float
    form: bool
    count: bool
    borders: tuple[int, int, int]
    sure: float


def run() -> list[Table]:
    """All bands that can be heard here, with and without differences between who plays."""
    rows = []
    for place, (name, play) in enumerate(BANDS.items()):
        songs = list(formed(_FIRST + 1_000 * place, SONGS))
        found = [
            (song.alike, rightness(heard(one), song))
            for song, one in zip(songs, play(iter([s.song for s in songs])), strict=False)
        ]
        for title, alike in (("other players", False), ("other chords", True)):
            some = [one for same, one in found if same == alike]
            if some:
                rows.append((f"{name}, {title}", *_summed(some)))
    return [
        Table(
            f"Sections and their letters: {SONGS} rendered songs of each band",
            ("what letters differ in", "pair F", "form", "the surer half", "borders F", "n"),
            tuple(rows),
            (
                "form: share of the songs whose letters are all right, as AB, ABAC or ABABCB.",
                "other chords: nothing but chords and tune differ between A, B and C.",
            ),
        )
    ]


def rightness(sound: Sound, truth: Formed) -> Rightness:
    """How right the sections of one song are."""
    found = Sections().describe(sound)
    sections = found.series[0]
    moments = np.arange(0.0, truth.borders[-1], _STEP)
    told = sections.values[np.searchsorted(sections.starts, moments, "right") - 1].astype(int)
    letters = np.array([ord(letter) for letter in truth.form])
    true = letters[np.searchsorted(truth.borders, moments, "right") - 1]
    inner = np.array(truth.borders[1:-1])
    right = sum(np.abs(sections.starts[1:] - border).min(initial=99.0) < _NEAR for border in inner)
    return Rightness(
        pairs=_pairs(told, true),
        form=found.scalars["form"] == truth.form,
        count=found.scalars["section_count"] == len(truth.form),
        borders=(int(right), len(sections.values) - 1, len(inner)),
        sure=float(found.scalars["form_confidence"]),  # type: ignore[arg-type]
    )


def _pairs(told: Labels, true: Labels) -> float:
    first, second = np.triu_indices(len(told), 1)
    found, wanted = told[first] == told[second], true[first] == true[second]
    return float(2.0 * (found & wanted).sum() / (found.sum() + wanted.sum()))


def _summed(songs: list[Rightness]) -> Iterator[str]:
    surer = sorted(songs, key=lambda one: -one.sure)[: -(-len(songs) // 2)]
    right, found, true = np.sum([one.borders for one in songs], axis=0)
    yield f"{np.mean([one.pairs for one in songs]):.3f}"
    yield f"{np.mean([one.form for one in songs]):.2f}"
    yield f"{np.mean([one.form for one in surer]):.2f}"
    yield f"{2.0 * right / (found + true):.3f}"
    yield str(len(songs))
