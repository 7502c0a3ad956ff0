"""Spaces refuse nonsense, and vectors are checked at the door."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retrieval.core.errors import InvalidInputError
from retrieval.core.spaces import (
    Anchor,
    Distance,
    EmbeddingSpace,
    SparseVector,
    check_vector,
)

COSINE = EmbeddingSpace("tone", 4, Distance.COSINE, "r1")
FULL = EmbeddingSpace("tone", 4, Distance.DOT, "r1", float16=False)
WORDS = EmbeddingSpace("words", 0, Distance.DOT, "r1", sparse=True)
DIMS = EmbeddingSpace(
    "dims", 2, Distance.WEIGHTED_EUCLIDEAN, "r1", anchor=Anchor((0.0, 0.0), (1.0, 1.0))
)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Bad Name"},
        {"name": ""},
        {"dim": 0},
        {"dim": -1},
        {"dim": 70_000},
        {"sparse": True},
        {"distance": Distance.WEIGHTED_EUCLIDEAN},
        {"anchor": Anchor((0.0,), (1.0,))},
        {"dims": ("one", "two")},
    ],
)
def test_a_space_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "name": "tone", "dim": 4, "distance": Distance.COSINE, "revision": "r"
    }  # fmt: skip
    EmbeddingSpace(**good)
    with pytest.raises(InvalidInputError):
        EmbeddingSpace(**(good | change))


@pytest.mark.parametrize("scale", [(0.0,), (-1.0,), (float("nan"),), (1.0, 1.0)])
def test_an_anchor_needs_one_positive_scale_per_dimension(scale: tuple[float, ...]) -> None:
    with pytest.raises(InvalidInputError):
        Anchor((0.0,), scale)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("space", [COSINE, FULL, DIMS])
def test_non_finite_values_are_refused_and_the_field_is_named(
    space: EmbeddingSpace, bad: float
) -> None:
    vector = np.ones(space.dim, np.float32)
    vector[-1] = bad
    with pytest.raises(InvalidInputError, match=r"queries\[0\]") as caught:
        check_vector(space, vector, where="queries[0].vector")
    assert caught.value.reason == "INVALID_VECTOR"


def test_zero_has_no_direction_but_is_a_fine_point() -> None:
    with pytest.raises(InvalidInputError, match="zero"):
        check_vector(COSINE, np.zeros(4, np.float32), where="v")
    check_vector(FULL, np.zeros(4, np.float32), where="v")
    check_vector(DIMS, np.zeros(2, np.float32), where="v")


@pytest.mark.parametrize("size", [0, 3, 5])
def test_a_wrong_length_is_refused(size: int) -> None:
    with pytest.raises(InvalidInputError, match="expected 4"):
        check_vector(COSINE, np.ones(size, np.float32), where="v")


def test_values_that_float16_would_turn_into_infinity_are_refused() -> None:
    vector = np.array([1, 2, 3, 70_000], np.float32)
    with pytest.raises(InvalidInputError, match="float16"):
        check_vector(COSINE, vector, where="v")
    check_vector(FULL, vector, where="v")


def test_dense_and_sparse_are_not_confused() -> None:
    sparse = SparseVector(np.array([1, 5], np.uint32), np.array([0.5, 1.0], np.float32))
    check_vector(WORDS, sparse, where="v")
    with pytest.raises(InvalidInputError):
        check_vector(COSINE, sparse, where="v")
    with pytest.raises(InvalidInputError):
        check_vector(WORDS, np.ones(4, np.float32), where="v")


@pytest.mark.parametrize("indices", [[5, 1], [1, 1], [1]])
def test_sparse_indices_must_be_sorted_unique_and_complete(indices: list[int]) -> None:
    vector = SparseVector(np.array(indices, np.uint32), np.array([0.5, 1.0], np.float32))
    with pytest.raises(InvalidInputError):
        check_vector(WORDS, vector, where="v")


@given(hnp.arrays(np.float32, 4, elements=st.floats(-6e4, 6e4, width=32)))
def test_every_finite_direction_is_accepted(vector: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    if np.linalg.norm(vector.astype(np.float64)) >= 1e-12:
        check_vector(COSINE, vector, where="v")
