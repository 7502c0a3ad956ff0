"""Fits of hits from those of rankings, and fusion by them."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.core.queries import Fusion, FusionMethod
from retrieval.core.spaces import Modality, Probe, SparseVector
from retrieval.search.fits import fits_of, good_enough, space_fit
from retrieval.search.fuse import Lane, Ranking, fuse
from retrieval.store.protocol import Match

DENSE = np.ones(2, np.float32)
WORDS = SparseVector(np.array([1], np.uint32), np.ones(1, np.float32))


def ranking(fits, *, space="ear", query=0, share=1.0, among=(), strangers=()):
    """Tracks by name with their fits, best first; None for a space without."""
    vector = WORDS if space == "lexical" else DENSE
    lane = Lane(query, share, Probe(space, vector), Modality.TEXT)
    matches = tuple(Match(key, 1.0 - n / 10) for n, key in enumerate([*(fits or ()), *among]))
    told = None if fits is None else tuple(fits.values())
    return Ranking(lane, matches, frozenset(strangers), fits=told)


def test_one_ranking():
    one = ranking({"a": 0.9, "b": 0.2})
    assert fits_of([one]) == pytest.approx({"a": 0.9, "b": 0.2})
    assert (space_fit(one).fit, space_fit(one).weak) == (0.9, False)


def test_no_space_can_tell():
    one = ranking(None, among=("a",))
    assert fits_of([one]) == {}
    assert (space_fit(one).fit, space_fit(one).weak) == (None, False)
    assert [f.track_id for f in good_enough(fuse([one], Fusion()), {}, 1.0)] == ["a"]


def test_nothing_found_by_words_is_weak():
    empty = space_fit(ranking({}, space="lexical"))
    assert (empty.fit, empty.weak) == (0.0, True)


def test_a_title_is_evidence_and_its_lack_is_none():
    fits = fits_of([ranking({"a": 0.4, "b": 0.4}), ranking({"b": 0.5}, space="lexical")])
    assert fits == pytest.approx({"a": 0.4, "b": 0.7})


def test_sounds_of_one_query_are_averaged_by_share():
    both = [ranking({"a": 0.8}, space="ear", share=3.0), ranking({"a": 0.4}, space="clap")]
    assert fits_of(both)["a"] == pytest.approx(0.7)


def test_below_the_end_of_a_ranking_a_track_fits_as_its_last():
    fits = fits_of([ranking({"a": 0.8, "b": 0.1}), ranking({"c": 0.6, "a": 0.2}, space="clap")])
    assert fits == pytest.approx({"a": 0.5, "b": 0.15, "c": 0.35})


def test_a_space_without_the_track_has_no_say():
    fits = fits_of([ranking({"a": 0.8}, strangers=("c",)), ranking({"c": 0.6}, space="clap")])
    assert fits["c"] == pytest.approx(0.6)


def test_several_queries_are_asked_for_together():
    both = [ranking({"a": 0.8}), ranking({"a": 0.2}, query=1, share=2.0)]
    assert fits_of(both)["a"] == pytest.approx(0.4)


def test_hits_below_the_least_are_left_out():
    one = ranking({"a": 0.9, "b": 0.2})
    fused = fuse([one], Fusion())
    assert [f.track_id for f in good_enough(fused, fits_of([one]), 0.5)] == ["a"]
    assert len(good_enough(fused, fits_of([one]), None)) == 2


class TestFusion:
    def test_one_sure_space_outweighs_two_that_rank_high(self):
        rankings = [
            ranking({"common": 0.2, "named": 0.1}),
            ranking({"named": 1.0, "common": 0.1}, space="lexical"),
        ]
        first, second = fuse(rankings, Fusion(FusionMethod.FIT))
        assert (first.track_id, first.score) == ("named", pytest.approx(1.0, abs=1e-5))
        assert second.score == pytest.approx(1 - 0.8 * 0.9)

    def test_shares_are_exponents(self):
        rankings = [ranking({"a": 0.5, "b": 0.4}, share=2.0), ranking({"b": 0.6}, space="lexical")]
        scores = {f.track_id: f.score for f in fuse(rankings, Fusion(FusionMethod.FIT))}
        assert scores == pytest.approx({"a": 0.75, "b": 1 - 0.6**2 * 0.4})

    def test_among_equals_ranks_tell(self):
        rankings = [ranking({"b": 0.5, "a": 0.5}), ranking({}, space="lexical")]
        fused = fuse(rankings, Fusion(FusionMethod.FIT))
        assert [f.track_id for f in fused] == ["b", "a"]

    def test_a_space_that_is_not_calibrated_makes_it_rrf(self):
        rankings = [ranking({"a": 0.9, "b": 0.1}), ranking(None, space="tone", among=("b", "a"))]
        by_fit = fuse(rankings, Fusion(FusionMethod.FIT))
        assert by_fit == fuse(rankings, Fusion(FusionMethod.RRF))

    def test_evidence_tells_fits(self):
        [one] = fuse([ranking({"a": 0.9})], Fusion())
        assert one.evidence[0].fit == 0.9
