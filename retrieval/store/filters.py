"""Filters as engine conditions: one translation, spoken in an engine's own classes.

Whatever an engine might read differently is decided here, so that two stores cannot disagree:
bounds of integer fields become integers, instants become UTC, a float or datetime equality becomes
a range, words become keywords, and what can never or always hold is said outright.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from retrieval.core.filters import (
    All,
    Any,
    AnyOf,
    Equals,
    Exists,
    Filter,
    NoneOf,
    Not,
    Range,
    TextMatch,
    TrackIds,
)
from retrieval.core.payload import Field, FieldType, Scalar, kept_float
from retrieval.core.words import words
from retrieval.store.points import EACH_WORDS, TRACK, each_key, field_key, index_key, utc

# Conditions and filters of an engine; both engines take a filter wherever a condition may stand.
C = TypeVar("C")

# Integer fields hold values below 2**53 in size (retrieval.core.payload.fits).
_INTEGER_LIMIT = 2**53


class Dialect(Protocol[C]):
    """How one engine spells the conditions that filters are made of."""

    def equals(self, key: str, value: str | int | bool) -> C:
        """Some value at the path equals this one."""
        ...

    def any_of(self, key: str, values: list[str] | list[int]) -> C:
        """Some value at the path is one of these (at least one, no duplicates)."""
        ...

    def numbers(
        self, key: str, gt: float | None, gte: float | None, lt: float | None, lte: float | None
    ) -> C:
        """Some number at the path lies between the bounds: at most one lower, one upper."""
        ...

    def instants(
        self, key: str, gt: str | None, gte: str | None, lt: str | None, lte: str | None
    ) -> C:
        """Some datetime at the path lies between the bounds, given as in ``points.utc``."""
        ...

    def empty(self, key: str) -> C:
        """There is no value at the path."""
        ...

    def nested(self, key: str, condition: C) -> C:
        """Some object of the list at the path satisfies the filter on its own keys."""
        ...

    def combine(
        self, must: Sequence[C] = (), should: Sequence[C] = (), must_not: Sequence[C] = ()
    ) -> C:
        """A filter; ``should``, if given, needs one that holds; an empty filter always holds."""
        ...

    def never(self) -> C:
        """A filter that no point passes."""
        ...


def translate(node: Filter, fields: Mapping[str, Field], dialect: Dialect[C]) -> C:
    """A filter in an engine's classes; the same for tracks and for segments.

    Args:
        node: Already checked against ``fields``.
        fields: Declared fields by name.
        dialect: The engine's spelling.
    """
    match node:
        case All(parts=parts):
            return dialect.combine(must=[translate(p, fields, dialect) for p in parts])
        case Any(parts=()):
            return dialect.never()
        case Any(parts=parts):
            return dialect.combine(should=[translate(p, fields, dialect) for p in parts])
        case Not(part=part):
            return dialect.combine(must_not=[translate(part, fields, dialect)])
        case TrackIds(ids=ids):
            return _any_of(dialect, TRACK, FieldType.KEYWORD, ids)
        case Equals(field=name, value=value):
            return _any_of(dialect, *_target(fields[name]), (value,))
        case AnyOf(field=name, values=values):
            return _any_of(dialect, *_target(fields[name]), values)
        case NoneOf(field=name, values=values):
            held = _any_of(dialect, *_target(fields[name]), values)
            return dialect.combine(must_not=[held])
        case Range():
            return _range(dialect, fields[node.field], node)
        case TextMatch(field=name, text=text):
            return _text(dialect, name, words(text))
        case Exists(field=name):
            return dialect.combine(must_not=[dialect.empty(field_key(name))])


def _target(field: Field) -> tuple[str, FieldType]:
    key = index_key if field.type is FieldType.DATETIME else field_key
    return key(field.name), field.type


def _any_of(dialect: Dialect[C], key: str, kind: FieldType, values: Sequence[Scalar]) -> C:
    some: list[C]
    match kind:
        case FieldType.FLOAT:
            numbers = sorted({kept_float(float(v)) for v in values})
            some = [dialect.numbers(key, None, _below(n), None, _above(n)) for n in numbers]
        case FieldType.DATETIME:
            moments = sorted({utc(str(v)) for v in values})
            some = [dialect.instants(key, None, m, None, m) for m in moments]
        case FieldType.BOOLEAN:
            some = [dialect.equals(key, flag) for flag in sorted({bool(v) for v in values})]
        case FieldType.INTEGER:
            integers = sorted({int(v) for v in values})
            some = [dialect.any_of(key, integers)] if integers else []
        case FieldType.KEYWORD | FieldType.TEXT:
            texts = sorted({str(v) for v in values})
            some = [dialect.any_of(key, texts)] if texts else []
    return dialect.combine(should=some) if some else dialect.never()


def _range(dialect: Dialect[C], field: Field, node: Range) -> C:
    key, kind = _target(field)
    given = (node.gt, node.gte, node.lt, node.lte)
    if kind is FieldType.DATETIME:
        moments = _tightest(*(None if b is None else utc(str(b)) for b in given))
        return dialect.instants(key, *moments) if moments else dialect.never()
    # Engines cut the fraction off a bound on an integer field, which moves it.
    numbers = _integers(*given) if kind is FieldType.INTEGER else _floats(*given)
    tightest = _tightest(*numbers)
    return dialect.numbers(key, *tightest) if tightest else dialect.never()


Bound = float | int | str | None
Bounds = tuple[float | None, float | None, float | None, float | None]


def _integers(gt: Bound, gte: Bound, lt: Bound, lte: Bound) -> Bounds:
    """Bounds on integers, both inclusive."""
    lower = [math.floor(_real(b)) + 1 for b in (gt,) if b is not None]
    lower += [math.ceil(_real(b)) for b in (gte,) if b is not None]
    upper = [math.ceil(_real(b)) - 1 for b in (lt,) if b is not None]
    upper += [math.floor(_real(b)) for b in (lte,) if b is not None]
    low = float(min(max(lower), _INTEGER_LIMIT)) if lower else None
    high = float(max(min(upper), -_INTEGER_LIMIT)) if upper else None
    # Beyond the limit there are no values, so a bound there says no more than one at the limit.
    low = low if low is None else max(low, -float(_INTEGER_LIMIT))
    high = high if high is None else min(high, float(_INTEGER_LIMIT))
    return None, low, None, high


def _floats(gt: Bound, gte: Bound, lt: Bound, lte: Bound) -> Bounds:
    a, b, c, d = (None if x is None else kept_float(float(x)) for x in (gt, gte, lt, lte))
    return (
        None if a is None else _above(a),
        None if b is None else _below(b),
        None if c is None else _below(c),
        None if d is None else _above(d),
    )


# Numbers of 15 digits lie at least 4.5 units in the last place apart, and an engine reads them back
# at most one off: bounds two units out tell every number from its neighbours.
def _above(number: float) -> float:
    return math.nextafter(math.nextafter(number, math.inf), math.inf)


def _below(number: float) -> float:
    return math.nextafter(math.nextafter(number, -math.inf), -math.inf)


def _real(bound: float | int | str) -> float | int:
    return float(bound) if isinstance(bound, str) else bound


B = TypeVar("B", float, str)


def _tightest(
    gt: B | None, gte: B | None, lt: B | None, lte: B | None
) -> tuple[B | None, B | None, B | None, B | None] | None:
    """The bounds with at most one lower and one upper, or None if nothing lies between them.

    Engines look at one bound of a side and trip over ranges that are upside down.
    """
    if gt is not None and gte is not None:
        gt, gte = (gt, None) if gt >= gte else (None, gte)
    if lt is not None and lte is not None:
        lt, lte = (lt, None) if lt <= lte else (None, lte)
    low = gte if gt is None else gt
    high = lte if lt is None else lt
    if low is not None and high is not None:
        closed = gt is None and lt is None
        if low > high or (low == high and not closed):
            return None
    return gt, gte, lt, lte


def _text(dialect: Dialect[C], name: str, wanted: Sequence[str]) -> C:
    unique = sorted(set(wanted))
    if not unique:
        return dialect.never()
    must = [dialect.equals(index_key(name), word) for word in unique]
    if len(unique) == 1:
        return dialect.combine(must=must)
    # All the words must occur in one value: where there are several, look at each of them.
    one = dialect.combine(must=[dialect.equals(EACH_WORDS, word) for word in unique])
    key = each_key(name)
    alone = dialect.combine(should=[dialect.empty(key), dialect.nested(key, one)])
    return dialect.combine(must=[*must, alone])
