"""Calibration on planted vectors, of which the truth is known."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from retrieval.encoders import zero_shot_calibration
from retrieval.encoders.zero_shot_calibration import SAMPLE, Calibrator, LabelFit, Scorer

DIM = 96


def unit(rng, *shape):
    vectors = rng.normal(size=(*shape, DIM))
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


class Planted:
    """Tracks around one direction, as sounds are in a text-audio space, with labels mixed in."""

    def __init__(self, tracks, shares, *, strength=0.5, seed=0, noise=0.1):
        rng = np.random.default_rng(seed)
        self.common = unit(rng)
        self.labels = unit(rng, len(shares))
        self.background = unit(rng, 24)
        self.truth = rng.random((tracks, len(shares))) < np.array(shares)
        spread = noise * rng.normal(size=(tracks, DIM))
        self.vectors = (self.common + spread + strength * self.truth @ self.labels).astype("f4")
        self.ids = [f"track-{n}" for n in range(tracks)]

    def fits(self, labels=None, page=1_000) -> tuple[LabelFit, ...]:
        labels = self.labels if labels is None else labels
        calibrator = Calibrator(labels, self.background)
        for start in range(0, len(self.ids), page):
            calibrator.add(self.ids[start : start + page], self.vectors[start : start + page])
        return calibrator.fits()

    def scores(self, labels=None):
        return Scorer(self.fits(labels)).scores(self.vectors)


def precision_and_recall(found, truth):
    right = np.count_nonzero(found & truth)
    return right / max(1, np.count_nonzero(found)), right / max(1, np.count_nonzero(truth))


@pytest.mark.parametrize("tracks", [300, 3_000])
def test_planted_labels_are_found_whatever_their_share(tracks):
    shares = (0.02, 0.1, 0.3, 0.6, 0.75)
    planted = Planted(tracks, shares)
    fits = planted.fits()
    found = Scorer(fits).scores(planted.vectors) >= 0.5
    for place, share in enumerate(shares):
        precision, recall = precision_and_recall(found[:, place], planted.truth[:, place])
        assert precision > 0.85, share
        assert recall > 0.85, share
        assert fits[place].share == pytest.approx(planted.truth[:, place].mean(), abs=0.03)


def test_sixteen_tracks_are_enough_for_a_clear_label():
    right = wrong = missed = 0
    for seed in range(40):
        planted = Planted(16, (0.0,), seed=seed)
        planted.truth[:4, 0] = True
        planted.vectors[:4] += 0.8 * planted.labels[0]
        found = planted.scores()[:, 0] >= 0.5
        right += np.count_nonzero(found[:4])
        wrong += np.count_nonzero(found[4:])
        missed += np.count_nonzero(~found[:4])
    assert wrong <= 0.02 * 40 * 12
    assert missed <= 0.15 * 160


@pytest.mark.parametrize("tracks", [16, 100, 2_000])
def test_labels_that_nothing_has_get_next_to_no_tags(tracks):
    planted = Planted(tracks, (0.0,) * 100)
    fits = planted.fits()
    found = Scorer(fits).scores(planted.vectors) >= 0.5
    assert found.mean() < (0.02 if tracks == 16 else 0.01)
    assert sum(fit.share is not None for fit in fits) <= 2


def test_a_label_that_is_near_everything_sets_nothing_apart():
    planted = Planted(2_000, (0.0, 0.2))
    hub = planted.common + 0.2 * unit(np.random.default_rng(5))
    labels = np.stack([hub / np.linalg.norm(hub), planted.labels[1]]).astype("f4")
    cosines = planted.vectors @ labels.T
    # The bare cosine prefers the hub on every track.
    assert np.all(cosines[:, 0] > cosines[:, 1])
    scores = planted.scores(labels)
    assert np.mean(scores[:, 0] >= 0.5) < 0.01
    assert precision_and_recall(scores[:, 1] >= 0.5, planted.truth[:, 1])[1] > 0.9


def test_tracks_that_are_near_every_text_get_no_tags_for_it():
    planted = Planted(2_000, (0.15,) * 8)
    texts = planted.background.mean(axis=0) + planted.labels.mean(axis=0)
    pull = 0.4 * texts / np.linalg.norm(texts)
    planted.background = planted.background + 3 * pull
    planted.labels = planted.labels + 3 * pull
    planted.background /= np.linalg.norm(planted.background, axis=1, keepdims=True)
    planted.labels /= np.linalg.norm(planted.labels, axis=1, keepdims=True)
    hubs = np.arange(2_000) < 200
    planted.vectors[hubs] += pull.astype("f4")
    found = planted.scores() >= 0.5
    usual = found[~hubs].mean()
    assert found[hubs].mean() < 2 * usual
    bare = planted.vectors @ planted.labels.T
    limit = np.quantile(bare, 1 - found.mean(), axis=0)
    assert (bare[hubs] > limit).mean() > 3 * (bare[~hubs] > limit).mean()


def test_a_few_tracks_far_below_do_not_make_a_group_of_the_rest():
    planted = Planted(1_000, (0.0,))
    planted.vectors[:50] -= (1.0 * planted.labels[0]).astype("f4")
    fits = planted.fits()
    assert fits[0].share is None
    assert np.mean(Scorer(fits).scores(planted.vectors)[50:] >= 0.5) < 0.01


def test_tracks_far_below_do_not_hide_the_group_above():
    planted = Planted(2_000, (0.1,))
    below = ~planted.truth[:, 0] & (np.arange(2_000) < 100)
    planted.vectors[below] -= (3.0 * planted.labels[0]).astype("f4")
    assert planted.fits()[0].share == pytest.approx(planted.truth.mean(), abs=0.03)
    found = planted.scores()[:, 0] >= 0.5
    assert min(precision_and_recall(found, planted.truth[:, 0])) > 0.85


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_most_tracks_may_have_a_label(strength):
    planted = Planted(1_000, (0.7,), strength=strength)
    found = planted.scores()[:, 0] >= 0.5
    assert min(precision_and_recall(found, planted.truth[:, 0])) > 0.95


def test_a_label_that_nearly_everything_has_is_no_tag():
    planted = Planted(2_000, (0.85,))
    assert planted.fits()[0].share is None
    assert np.mean(planted.scores()[:, 0] >= 0.5) < 0.01


def test_two_groups_with_one_peak_are_none():
    planted = Planted(20_000, (0.2,), strength=0.18)
    assert planted.fits()[0].share is None
    assert np.mean(planted.scores()[:, 0] >= 0.5) < 0.01


def test_groups_closer_than_any_text_tells_apart_are_none():
    planted = Planted(2_000, (0.3,), strength=0.0)
    label = planted.labels[0]
    planted.vectors -= np.outer(planted.vectors @ label, label)
    planted.vectors += 0.09 * planted.truth[:, :1] * label
    fits = planted.fits()
    assert fits[0].share is None
    assert np.mean(Scorer(fits).scores(planted.vectors) >= 0.5) < 0.01


def test_a_long_lower_tail_does_not_make_a_group_of_the_rest():
    planted = Planted(2_000, (0.0,), noise=0.02)
    tail = np.random.default_rng(3).exponential(size=(2_000, 1))
    planted.vectors -= (0.2 * tail * planted.labels[0]).astype("f4")
    assert np.mean(planted.scores()[:, 0] >= 0.5) < 0.05


def test_a_score_is_the_share_of_right_tags():
    planted = Planted(20_000, (0.05, 0.2, 0.5), strength=0.3)
    scores = planted.scores()
    for low in (0.1, 0.3, 0.5, 0.7, 0.9):
        for place in range(3):
            some = (scores[:, place] >= low) & (scores[:, place] < low + 0.1)
            told, true = scores[some, place].mean(), planted.truth[some, place].mean()
            assert told == pytest.approx(true, abs=0.12), (place, low)


@pytest.mark.parametrize("sample", [1_000, SAMPLE])
def test_neither_pages_nor_their_order_matter(sample, monkeypatch):
    monkeypatch.setattr(zero_shot_calibration, "SAMPLE", sample)
    planted = Planted(5_000, (0.1, 0.3))
    first = planted.fits(page=5_000)
    order = np.random.default_rng(1).permutation(5_000)
    planted.ids = [planted.ids[n] for n in order]
    planted.vectors = planted.vectors[order]
    second = planted.fits(page=177)
    for one, other in zip(first, second, strict=True):
        assert (one.slope, one.offset, one.share) == (other.slope, other.offset, other.share)


def test_the_length_of_vectors_does_not_matter():
    planted = Planted(500, (0.2,))
    scorer = Scorer(planted.fits())
    longer = planted.vectors * np.linspace(0.01, 40, 500, dtype="f4")[:, np.newaxis]
    assert np.allclose(scorer.scores(planted.vectors), scorer.scores(longer), atol=1e-5)


def test_tracks_that_are_all_the_same_get_no_tags():
    planted = Planted(40, (0.0, 0.0))
    planted.vectors[:] = planted.common
    scores = planted.scores()
    assert np.all(np.isfinite(scores))
    assert np.all(scores < 0.5)


def test_memory_is_bounded_and_the_sample_is_fair():
    rng = np.random.default_rng(0)
    label, background = unit(rng, 1), unit(rng, 8)
    calibrator = Calibrator(label, background)
    pages, page, peaks = 40, 4_096, []
    truth, scored = [], []
    tracemalloc.start()
    for number in range(pages):
        has = rng.random(page) < 0.1
        vectors = (0.1 * rng.normal(size=(page, DIM)) + 0.6 * has[:, None] * label).astype("f4")
        calibrator.add([f"{number}-{n}" for n in range(page)], vectors)
        peaks.append(tracemalloc.get_traced_memory()[1])
        if number == 0:
            truth, scored = has, vectors
    tracemalloc.stop()
    assert calibrator.tracks == pages * page > 4 * SAMPLE
    # A page more, and a copy while the rows grow.
    assert peaks[-1] < 1.2 * peaks[2 * SAMPLE // page]
    (fit,) = calibrator.fits()
    assert fit.tracks == pages * page
    assert fit.share == pytest.approx(0.1, abs=0.01)
    found = Scorer([fit]).scores(scored)[:, 0] >= 0.5
    assert min(precision_and_recall(found, truth)) > 0.95
