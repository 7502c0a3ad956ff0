"""Parts share no track and no source; ranks, ties and bounds are as one would count them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.learning.measures import (
    aim,
    distances,
    found_ranks,
    fused,
    gain,
    pool_of,
    quality,
    r_squared,
)
from indexer.learning.splits import PARTS, split
from retrieval.core.errors import InvalidInputError

KEYS = st.lists(
    st.tuples(
        st.integers(0, 30).map(lambda n: f"film{n}"), st.integers(0, 60).map(lambda n: f"t{n}")
    ),
    min_size=1,
    max_size=80,
)


@settings(max_examples=60, deadline=None)
@given(KEYS, st.integers(0, 5))
def test_parts_share_nothing(keys: list[tuple[str, str]], seed: int) -> None:
    try:
        parts = split(keys, [None] * len(keys), seed)
    except InvalidInputError as error:
        assert "groups that share no track" in error.message
        return
    rows = [getattr(parts, name).tolist() for name in PARTS]
    assert sorted(row for part in rows for row in part) == list(range(len(keys)))
    assert all(rows)
    for kind in (0, 1):
        seen = [{keys[row][kind] for row in part} for part in rows]
        assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


def test_shares_and_seeds() -> None:
    keys = [(f"film{n // 3}", f"t{n}") for n in range(900)]
    one, same, other = (split(keys, [None] * 900, seed) for seed in (1, 1, 2))
    assert one.test.tolist() == same.test.tolist() != other.test.tolist()
    assert len(one.train) / 900 == pytest.approx(0.7, abs=0.01)
    assert len(one.test) / 900 == pytest.approx(0.15, abs=0.01)
    assert len(one.fitted()) == len(one.train) + len(one.validation)


def test_what_the_table_asks_for_holds() -> None:
    keys = [(f"film{n}", f"t{n}") for n in range(20)]
    asked = ["test"] * 4 + ["validation"] * 3 + [None] * 13
    parts = split(keys, asked, 0)
    assert {0, 1, 2, 3} <= set(parts.test.tolist())
    assert {4, 5, 6} <= set(parts.validation.tolist())
    keys[5] = ("film0", "t5")
    with pytest.raises(InvalidInputError, match="test and validation share a track or source"):
        split(keys, asked, 0)


def test_one_group_cannot_be_split() -> None:
    keys = [("film", f"t{n}") for n in range(50)]
    with pytest.raises(InvalidInputError, match=r"1 groups .* the largest of 50 rows"):
        split(keys, [None] * 50, 0)


def test_ties_rank_in_the_middle() -> None:
    scores = np.array([[3.0, 3.0, 3.0, 1.0], [0.0, 1.0, 2.0, 3.0], [5.0, 5.0, 1.0, 0.0]])
    relevant = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1]], dtype=bool)
    assert [one.tolist() for one in found_ranks(scores, relevant)] == [[2.0], [1.0], [3.0, 4.0]]
    even = np.zeros((3, 4))
    assert found_ranks(even, relevant)[0].tolist() == [2.5]


def test_both_directions_and_chance() -> None:
    rows = np.array([[0, 5], [1, 6], [2, 6], [3, 8]])
    pool = pool_of(rows)
    assert pool.clips.tolist() == [0, 1, 2, 3]
    assert pool.tracks.tolist() == [5, 6, 8]
    scores = pool.relevant.astype(float)
    found = quality(scores, pool, resamples=20)
    there, back = found["video_to_track"], found["track_to_video"]
    assert (there.queries, there.pool, back.queries, back.pool) == (4, 3, 3, 4)
    assert there.figures["recall@1"].value == 1.0
    assert there.figures["recall@1"].chance == pytest.approx(1 / 3)
    # The two clips of one track tie at 1.5.
    assert back.figures["recall@1"].value == pytest.approx(2 / 3)
    assert back.figures["recall@3"].value == 1.0
    assert aim(scores, pool) == (1.0, 1.0)


def test_fusion_is_fair_to_both_channels_and_its_gain_is_bounded() -> None:
    rng = np.random.default_rng(0)
    pool = pool_of(np.array([[n, n] for n in range(200)]))
    truth = pool.relevant * 4.0
    one, two = (truth + rng.normal(size=(200, 200)) * 1.5 for _ in range(2))
    both = fused({"a": one, "b": 1000.0 * two + 7.0})
    assert aim(both, pool)[0] > max(aim(one, pool)[0], aim(two, pool)[0])
    more, at_least = gain(both, one, pool, seed=0)
    assert more > at_least > 0
    none, below = gain(fused({"a": one, "b": rng.normal(size=(200, 200))}), one, pool, seed=0)
    assert none < 0
    assert below < 0
    assert gain(one, one, pool, seed=0) == (0.0, 0.0)


def test_distances_are_weighted_and_squared() -> None:
    q, x = np.array([[1.0, 2.0]]), np.array([[3.0, 2.0], [1.0, 0.0]])
    assert distances(q, x, np.array([1.0, 0.5])) == pytest.approx(np.array([[-4.0, -2.0]]))


def test_r_squared_leaves_out_what_has_no_truth() -> None:
    truth = np.array([[1.0, np.nan, 1.0], [2.0, np.nan, 1.0], [3.0, 5.0, 1.0], [np.nan, 6.0, 1.0]])
    found = np.array([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [3.0, 0.0, 0.0], [99.0, 0.0, 0.0]])
    first, second, third = r_squared(found, truth)
    assert first is not None
    assert first["value"] == 1.0
    assert second is None
    assert third is None
    rng = np.random.default_rng(0)
    truth, noise = rng.normal(size=(2, 500, 1))
    (measured,) = r_squared(0.5 * truth + 0.1 * noise, truth)
    assert measured is not None
    assert measured["low"] < measured["value"] < measured["high"]
    assert measured["value"] == pytest.approx(0.74, abs=0.03)
