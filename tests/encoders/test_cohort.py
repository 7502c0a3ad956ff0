"""Fits of texts beside a cohort of sounds."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.encoders.cohort import SHARE, Cohort


def cohort(**changes):
    draw = np.random.default_rng(2).normal(size=(400, 8)).astype(np.float32)
    vectors = draw / np.linalg.norm(draw, axis=1, keepdims=True)
    return Cohort(**{"vectors": vectors, "slope": 10.0, "offset": -3.0, "growth": 0.4, **changes})


TEXT = np.eye(8, dtype=np.float32)[0]


def test_the_level_is_that_of_the_nearest_sounds():
    one = cohort()
    best = np.sort(one.vectors[:, 0])[-20:].mean()
    assert one.level(TEXT) == pytest.approx(SHARE * best, rel=1e-5)


def test_fits_rise_with_scores_and_fall_with_the_library():
    one = cohort()
    small, large = one.fits(TEXT, [0.2, 0.5, 0.9], 100), one.fits(TEXT, [0.2, 0.5, 0.9], 10_000)
    assert np.all(np.diff(small) > 0)
    assert np.all(large < small)
    assert small[1] == pytest.approx(1 / (1 + np.exp(-(10 * (0.5 - one.level(TEXT)) - 3))))


def test_the_length_of_a_text_does_not_count():
    assert cohort().fits(3 * TEXT, [0.5], 100) == pytest.approx(cohort().fits(TEXT, [0.5], 100))


def test_a_text_that_many_sounds_are_near_needs_more():
    near = cohort(vectors=np.tile(TEXT, (20, 1)))
    assert near.fits(TEXT, [0.5], 100)[0] < cohort().fits(TEXT, [0.5], 100)[0]
