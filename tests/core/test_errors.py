"""The error hierarchy: every class has a kind, survives pickling, and is drawn in the docstring."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from retrieval.core import errors
from retrieval.core.errors import ErrorKind, SegueError


def _classes(root: type[SegueError] = SegueError) -> Iterator[type[SegueError]]:
    yield root
    for child in root.__subclasses__():
        yield from _classes(child)


@pytest.mark.parametrize("cls", list(_classes()))
def test_survives_a_process_boundary(cls: type[SegueError]) -> None:
    error = cls("field x: wrong", reason="SOME_REASON", metadata={"field": "x"})
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is cls
    assert (copy.message, copy.reason, copy.metadata) == (
        error.message,
        error.reason,
        {"field": "x"},
    )
    assert copy.kind is cls.kind


@pytest.mark.parametrize("cls", [c for c in _classes() if c is not SegueError])
def test_every_class_and_its_default_reason_is_drawn(cls: type[SegueError]) -> None:
    assert errors.__doc__ is not None
    assert cls.__name__ in errors.__doc__
    assert cls("m").reason in errors.__doc__
    assert cls.kind.name in errors.__doc__


def test_every_kind_is_used() -> None:
    assert {c.kind for c in _classes()} == set(ErrorKind)
