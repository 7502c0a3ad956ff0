"""Thresholds of what is heard are where enough of it is right, and what is told is counted."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.training.attributes import NAMES, PLACE
from indexer.training.evaluate import Heardset
from indexer.training.hearing import Song, find, measure, songs
from retrieval.describe.heard import SURE
from retrieval.encoders.ear_weights import Calibration

WINDOWS = 4


def heard(count: int, seed: int, *, wrong: float = 0.0) -> list[Song]:
    """Songs of which every third is sung, every fourth metal and calm; some are misheard."""
    rng = np.random.default_rng(seed)
    values = np.zeros((count, len(NAMES)), dtype=np.float32)
    values[:, PLACE["music"]] = 1.0
    for name, every in (("voice", 3), ("genre metal", 4), ("group rock music", 4), ("calm", 4)):
        values[::every, PLACE[name]] = 1.0
    taken = np.where(rng.random(values.shape) < wrong, 1.0 - values, values)
    taken[:, PLACE["music"]] = 1.0
    # Logits of -2 and 2, made twice as sure by the calibration; the misheard are less sure.
    logits = np.where(taken == values, 4.0, 1.0) * (taken - 0.5)
    again = [np.repeat(array.astype(np.float32), WINDOWS, axis=0) for array in (logits, values)]
    names = tuple(str(song) for song in range(count) for _ in range(WINDOWS))
    nothing = np.zeros((len(names), 1), dtype=np.float32)
    twice = np.full(len(NAMES), 2.0, dtype=np.float32)
    heardset = Heardset(nothing, nothing, again[0], again[1], names, (None,) * len(names))
    return songs(heardset, Calibration(twice, np.zeros_like(twice)))


def test_songs_are_their_windows() -> None:
    found = heard(12, 1)
    assert len(found) == 12
    assert found[0].attributes.chances.shape == (WINDOWS, len(NAMES))
    assert found[0].attributes.chances[:, PLACE["voice"]] == pytest.approx(1 / (1 + np.exp(-4)))
    assert [song.truth[PLACE["voice"]] for song in found[:4]] == [1, 0, 0, 1]


def test_thresholds_leave_out_what_is_often_wrong() -> None:
    easy = find(heard(120, 1))
    assert (easy.vocal, easy.group, easy.genre, easy.mood) == (0.5, 0.05, 0.05, 0.05)
    # Misheard things are told with 0.73, others with 0.98.
    hard = find(heard(120, 2, wrong=0.2))
    assert 0.73 < min(hard.vocal, hard.genre, hard.mood) <= max(hard.group, hard.mood) < 0.98
    assert hard.instrumental < 0.27
    both = find(heard(120, 1), heard(120, 2, wrong=0.2))
    assert both == hard


def test_what_is_told_is_counted() -> None:
    right = measure(heard(120, 1))
    for name in ("vocal", "instrumental", "genre_heard", "mood_heard"):
        assert right[f"{name} precision"] == right[f"{name} recall"] == 1.0
    assert right["voice area"] == right["genre_heard area"] == 1.0
    assert right["songs with mood_heard"] == 0.25
    worse = measure(heard(120, 2, wrong=0.2), SURE)
    assert worse["genre_heard recall"] < 0.9 and worse["voice area"] < 1.0
