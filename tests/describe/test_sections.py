"""Sections of known borders and forms."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.describe.passages import MOST, passages
from retrieval.describe.protocol import RATE, Findings
from retrieval.describe.registry import load
from tests.describe.pieces import piece
from tests.describe.sounds import heard
from tests.signals import Samples, noise, sine

BAR = 2.0
"""Seconds of a bar of ``piece``."""


def sections(*parts: Samples) -> Findings:
    return load("sections").describe(heard(np.concatenate(parts).astype(np.float32), RATE))


def part(kind: int) -> Samples:
    chord = sum(sine(f * 2 ** (kind / 12), 20.0, RATE) for f in (220, 277, 330))
    return np.asarray(chord + noise(20.0, RATE, 0.02, kind, (500, 1000) if kind else (3000, 6000)))


def loop(progression: str, *, drums: bool = True) -> Samples:
    """Eight bars, and no ring after them."""
    return piece(progression, bars=8, drums=drums)[: round(8 * BAR * RATE)]


def test_sections_begin_where_the_sound_changes_and_have_a_letter_when_they_come_again() -> None:
    found = sections(part(0), part(5), part(0))
    borders, sure = found.series
    assert found.scalars["section_count"] == 3 and found.scalars["form"] == "ABA"
    assert borders.starts == pytest.approx([0, 20, 40], abs=1.0)
    assert borders.ends is not None and borders.ends[-1] == pytest.approx(60, abs=0.1)
    assert [borders.label(place) for place in range(3)] == ["A", "B", "A"]
    assert [line.split("\t")[2] for line in borders.lines().splitlines()] == ["A", "B", "A"]
    assert np.all((sure.values > 0.8) & (sure.values <= 1.0))


@pytest.mark.parametrize("drums", [True, False])
def test_one_band_with_other_chords_is_another_section(drums: bool) -> None:
    verse, chorus = loop("C G Am F", drums=drums), loop("E A B E", drums=drums)
    found = sections(verse, chorus, verse, chorus, loop("Fm Bbm Eb Ab", drums=not drums))
    assert found.scalars["form"] == "ABABC"
    assert found.series[0].starts == pytest.approx(8 * BAR * np.arange(5), abs=3.0)
    assert found.scalars["form_confidence"] > 0.5  # type: ignore[operator]


def test_what_stays_the_same_is_one_section() -> None:
    for same in (sections(part(0), part(0)), sections(loop("C G Am F"), loop("C G Am F"))):
        assert same.scalars["form"] == "A"
        assert same.scalars["section_count"] == 1
        assert same.scalars["section_count_confidence"] > 0.2  # type: ignore[operator]


@pytest.mark.parametrize("samples", [part(0), np.zeros(40 * RATE, dtype=np.float32)])
def test_half_a_minute_and_sound_are_needed(samples: Samples) -> None:
    assert not sections(samples).scalars


@pytest.mark.parametrize("count", [12, 60, 1_200])
def test_passages_of_anything_cover_it_and_are_named_in_order(count: int) -> None:
    rng = np.random.default_rng(count)
    rows = 0.1 * rng.standard_normal((count, 36)).cumsum(axis=0)
    for moments in (rows - rows.mean(axis=0), 0.0 * rows, rng.standard_normal((count, 36))):
        found = passages(moments)
        assert found.starts[0] == 0 and np.all(np.diff(found.starts) > 0)
        assert np.all(np.diff(found.labels) != 0), "a border is a change"
        firsts = list(dict.fromkeys(found.labels.tolist()))
        assert firsts == list(range(len(firsts))) and len(firsts) <= MOST
        assert np.all((found.confidence >= 0) & (found.confidence <= 1))
