"""The cohort: fitted on trials whose truth is known, and measured by what is and is not there."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from indexer.training.attributes import NAMES, PLACE
from indexer.training.evaluate import Heardset, area
from indexer.training.export import logistic
from indexer.training.fits import make_cohort, measure_fits, tracks_of, trials
from indexer.training.lexicon import lexicon

KNOWN = tuple(name for name in NAMES if name.startswith("instrument "))[:12]
WORDS = {
    word: name for name in KNOWN for words in lexicon("en").forms[name].values() for word in words
}


def heardset(seed, *, noise, songs=300):
    """Songs of two windows that are near the direction of their one instrument."""
    rng = np.random.default_rng(seed)
    axes = np.eye(len(KNOWN))
    values, meaning, names = [], [], []
    for song in range(songs):
        known = int(rng.integers(len(KNOWN)))
        for _ in range(2):
            row = np.full(len(NAMES), 0.5)
            row[[PLACE[name] for name in KNOWN]] = 0.0
            row[PLACE[KNOWN[known]]] = 1.0
            vector = axes[known] + noise * rng.normal(size=len(KNOWN))
            values.append(row)
            meaning.append(vector / np.linalg.norm(vector))
            names.append(str(song))
    vectors = np.stack(meaning).astype(np.float32)
    truths = np.stack(values).astype(np.float32)
    return Heardset(vectors, vectors, truths, truths, tuple(names), (None,) * len(names))


def read(text):
    name = WORDS.get(text, WORDS.get(text.removesuffix(" music")))
    return np.eye(len(KNOWN), dtype=np.float32)[KNOWN.index(name)]


def test_a_trial_has_what_it_says():
    tracks = tracks_of(heardset(1, noise=0.1))
    found = list(trials(tracks, np.random.default_rng(0), 50))
    assert {trial.present for trial in found} == {True, False}
    for trial in found:
        truth = tracks.values[trial.library, trial.attribute]
        assert (truth == 1.0).any() == trial.present
        assert len(set(trial.library.tolist())) == 50


def test_what_is_heard_is_told_from_what_is_not_there():
    cohort = make_cohort(heardset(1, noise=0.15), read)
    assert cohort.slope > 0
    found = measure_fits(heardset(2, noise=0.15), read, cohort, size=60)
    assert found["AUROC"] > 0.95
    assert found["present, not weak"] > 0.9
    assert found["absent, weak"] > 0.9


def test_where_nothing_is_heard_nothing_is_claimed():
    cohort = make_cohort(heardset(1, noise=50.0), read)
    found = measure_fits(heardset(2, noise=50.0), read, cohort, size=60)
    assert 0.35 < found["AUROC"] < 0.65


def test_area_counts_ties_half():
    assert area(np.array([1.0, 2.0]), np.array([0.0, 1.0])) == pytest.approx(0.875)


def test_logistic_regression_finds_the_curve():
    rng = np.random.default_rng(4)
    columns = rng.normal(size=(20_000, 2))
    odds = 2.0 * columns[:, 0] - 0.5 * columns[:, 1] + 1.0
    true = rng.random(len(odds)) < 1 / (1 + np.exp(-odds))
    assert logistic(columns, true) == pytest.approx([2.0, -0.5, 1.0], abs=0.1)
