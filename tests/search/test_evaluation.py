from __future__ import annotations

import math

import numpy as np
import pytest

from retrieval.core.errors import InvalidInputError
from retrieval.search.evaluation import Judgement, evaluate


def judged(*rows):
    return [Judgement(tuple(ranked), frozenset(relevant)) for ranked, relevant in rows]


def values(result):
    return {name: figure.value for name, figure in result.figures.items()}


def test_one_relevant_each():
    found = values(evaluate(judged(("abcde", "a"), ("abcde", "d"), ("abc", "z")), pool=20))
    assert found["recall@1"] == pytest.approx(1 / 3)
    assert found["recall@3"] == pytest.approx(1 / 3)
    assert found["recall@5"] == pytest.approx(2 / 3)
    assert found["recall@10"] == pytest.approx(2 / 3)
    assert found["mrr"] == pytest.approx((1 + 1 / 4 + 0) / 3)
    assert found["ndcg@10"] == pytest.approx((1 + 1 / math.log2(5)) / 3)
    assert found["median_rank"] == 4.0


def test_several_relevant():
    found = values(evaluate(judged(("abcdefghijkl", "bcl")), pool=12))
    assert found["recall@1"] == 0.0
    assert found["recall@3"] == pytest.approx(2 / 3)
    assert found["recall@10"] == pytest.approx(2 / 3)
    assert found["mrr"] == 0.5
    ideal = 1 + 1 / math.log2(3) + 1 / math.log2(4)
    assert found["ndcg@10"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(4)) / ideal)
    assert found["median_rank"] == 2.0


def test_more_relevant_than_the_cutoff():
    tracks = [f"t{n}" for n in range(30)]
    found = values(evaluate([Judgement(tuple(tracks), frozenset(tracks))], pool=30))
    assert found["ndcg@10"] == pytest.approx(1.0)
    assert found["recall@10"] == pytest.approx(1 / 3)


def test_chance_is_what_random_orders_give():
    draw = np.random.default_rng(5)
    pool = [f"t{n}" for n in range(25)]
    wanted = [frozenset(pool[:1]), frozenset(pool[3:7])]
    rows = [Judgement(tuple(draw.permutation(pool)), wanted[n % 2]) for n in range(12_000)]
    result = evaluate(rows, pool=25, resamples=50)
    for name, figure in result.figures.items():
        tolerance = 0.6 if name == "median_rank" else 0.02
        assert figure.value == pytest.approx(figure.chance, abs=tolerance), name


def test_chance_of_one_relevant():
    result = evaluate(judged(("ab", "a")), pool=10)
    assert result.figures["recall@3"].chance == pytest.approx(0.3)
    assert result.figures["mrr"].chance == pytest.approx(sum(1 / r for r in range(1, 11)) / 10)
    assert result.figures["median_rank"].chance == 5.5
    assert evaluate(judged(("ab", "a")), pool=9).figures["median_rank"].chance == 5.0
    assert evaluate(judged(("ab", "a")), pool=3).figures["recall@5"].chance == 1.0


def test_intervals_are_seeded_and_hold_the_value():
    draw = np.random.default_rng(1)
    pool = [f"t{n}" for n in range(50)]
    rows = [Judgement(tuple(draw.permutation(pool)), frozenset(pool[:1])) for _ in range(60)]
    first, again, other = (evaluate(rows, 50, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert first != other
    for figure in first.figures.values():
        assert figure.low <= figure.value <= figure.high
        assert figure.low < figure.high


def test_interval_agrees_with_the_normal_one():
    rows = judged(*[("ab", "a")] * 60, *[("ba", "a")] * 40)
    figure = evaluate(rows, 10, resamples=4000).figures["recall@1"]
    half = 1.96 * math.sqrt(0.6 * 0.4 / 100)
    assert figure.low == pytest.approx(0.6 - half, abs=0.02)
    assert figure.high == pytest.approx(0.6 + half, abs=0.02)


def test_repeated_tracks_count_once():
    assert values(evaluate(judged(("aab", "b")), pool=3))["mrr"] == 0.5


@pytest.mark.parametrize(
    ("rows", "pool"), [([], 3), (judged(("ab", "")), 3), (judged(("ab", "abc")), 2)]
)
def test_nothing_to_measure(rows, pool):
    with pytest.raises(InvalidInputError, match="evaluation"):
        evaluate(rows, pool)
