"""Qdrant Edge's spelling of filters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import qdrant_edge as engine

Condition = engine.FieldCondition | engine.IsEmptyCondition | engine.NestedCondition | engine.Filter


class EdgeDialect:
    """Conditions of ``retrieval.store.filters`` in Edge's classes."""

    def equals(self, key: str, value: str | int | bool) -> Condition:
        """Some value at the path equals this one."""
        # Edge 0.9 takes a Python bool for an integer, which matches nothing; a NumPy one it keeps.
        plain = np.bool_(value) if isinstance(value, bool) else value
        return engine.FieldCondition(key, match=engine.MatchValue(plain))  # type: ignore[arg-type]

    def any_of(self, key: str, values: list[str] | list[int]) -> Condition:
        """Some value at the path is one of these."""
        return engine.FieldCondition(key, match=engine.MatchAny(values))

    def numbers(
        self, key: str, gt: float | None, gte: float | None, lt: float | None, lte: float | None
    ) -> Condition:
        """Some number at the path lies between the bounds."""
        return engine.FieldCondition(key, range=engine.RangeFloat(gt=gt, gte=gte, lt=lt, lte=lte))

    def instants(
        self, key: str, gt: str | None, gte: str | None, lt: str | None, lte: str | None
    ) -> Condition:
        """Some datetime at the path lies between the bounds."""
        between = engine.RangeDateTime(gt=gt, gte=gte, lt=lt, lte=lte)
        return engine.FieldCondition(key, range=between)

    def empty(self, key: str) -> Condition:
        """There is no value at the path."""
        return engine.IsEmptyCondition(key)

    def nested(self, key: str, condition: Condition) -> Condition:
        """Some object of the list at the path satisfies the filter on its own keys."""
        return engine.NestedCondition(key, as_filter(condition))

    def combine(
        self,
        must: Sequence[Condition] = (),
        should: Sequence[Condition] = (),
        must_not: Sequence[Condition] = (),
    ) -> Condition:
        """A filter; an empty one always holds."""
        # An empty list is not the same as none: inside a nested condition it matches nothing.
        return engine.Filter(
            must=[*must] or None, should=[*should] or None, must_not=[*must_not] or None
        )

    def never(self) -> Condition:
        """A filter that no point passes."""
        return engine.Filter(must=[engine.HasIdCondition(set())])


def as_filter(condition: Condition) -> engine.Filter:
    """The condition as a filter of its own."""
    return condition if isinstance(condition, engine.Filter) else engine.Filter(must=[condition])
