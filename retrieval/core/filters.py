"""Filters over payload: conditions nested by all, any and none, with limits on depth and size.

Semantics, the same in every store:

- a condition on a field with several values holds if *any* of its values satisfies it;
- a condition on an absent field does not hold, so ``Not`` of it does;
- ``NoneOf`` holds exactly if ``AnyOf`` does not (an absent field satisfies it);
- an empty ``All`` holds, an empty ``Any`` does not;
- numbers of FLOAT fields compare to 15 significant digits, and datetimes as instants.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from retrieval.core.errors import InvalidInputError
from retrieval.core.payload import Field, FieldType, Scalar, fits
from retrieval.core.progressions import PROGRESSIONS
from retrieval.core.words import words

MAX_DEPTH = 8
MAX_NODES = 256
MAX_CHOICES = 1_024


@dataclass(frozen=True, slots=True)
class Equals:
    """The field has this value. Strings compare exactly, with case."""

    field: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field has at least one of these values."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """The field has none of these values, or is absent."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The field lies between bounds. Numbers, or RFC 3339 strings for datetime fields."""

    field: str
    gt: float | int | str | None = None
    gte: float | int | str | None = None
    lt: float | int | str | None = None
    lte: float | int | str | None = None


@dataclass(frozen=True, slots=True)
class TextMatch:
    """Every word of ``text`` occurs in the field, as whole words, ignoring case.

    Words are those of ``retrieval.core.words``; all of them must occur in one value.
    """

    field: str
    text: str


@dataclass(frozen=True, slots=True)
class Exists:
    """The field has at least one value."""

    field: str


@dataclass(frozen=True, slots=True)
class TrackIds:
    """The track is one of these."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Filter


Condition = Equals | AnyOf | NoneOf | Range | TextMatch | Exists | TrackIds
Filter = Condition | All | Any | Not


def walk(node: Filter, depth: int = 1) -> Iterator[tuple[Filter, int]]:
    """Every node with its depth, the root first at depth 1; stops below ``MAX_DEPTH + 1``."""
    yield node, depth
    if depth > MAX_DEPTH:
        return
    if isinstance(node, All | Any):
        for part in node.parts:
            yield from walk(part, depth + 1)
    elif isinstance(node, Not):
        yield from walk(node.part, depth + 1)


def check_filter(node: Filter, fields: Mapping[str, Field]) -> None:
    """Reject a filter that is too large or does not fit the library's fields.

    Args:
        node: The filter.
        fields: Declared fields by name.

    Raises:
        InvalidInputError: INVALID_FILTER if it is deeper than 8, has more than 256 nodes or 1024
            choices, names an undeclared field, compares with a value of another type, has an empty
            range or text, or asks a text match of a field without words.
    """
    for count, (part, depth) in enumerate(walk(node), start=1):
        if depth > MAX_DEPTH:
            raise _bad(f"filter is nested deeper than {MAX_DEPTH} levels")
        if count > MAX_NODES:
            raise _bad(f"filter has more than {MAX_NODES} conditions")
        if isinstance(part, TrackIds):
            if len(part.ids) > MAX_CHOICES:
                raise _bad(f"filter names more than {MAX_CHOICES} tracks")
        elif not isinstance(part, All | Any | Not):
            _check_condition(part, fields)


def _check_condition(
    part: Equals | AnyOf | NoneOf | Range | TextMatch | Exists, fields: Mapping[str, Field]
) -> None:
    field = fields.get(part.field)
    if field is None:
        known = ", ".join(sorted(fields))
        untold = "; segue index tells the chords of its tracks, unless --no-describe"
        raise _bad(
            f"filter: there is no field {part.field!r}; this library has: {known}"
            f"{untold if part.field == PROGRESSIONS else ''}"
        )
    match part:
        case Equals(value=value):
            _check_values(field, (value,))
        case AnyOf(values=values) | NoneOf(values=values):
            if len(values) > MAX_CHOICES:
                raise _bad(f"filter: {field.name!r} has more than {MAX_CHOICES} choices")
            _check_values(field, values)
        case Range():
            bounds = [b for b in (part.gt, part.gte, part.lt, part.lte) if b is not None]
            ordered = (FieldType.INTEGER, FieldType.FLOAT, FieldType.DATETIME)
            if field.type not in ordered:
                raise _bad(f"filter: {field.name!r} is {field.type.value} and has no order")
            if not bounds:
                raise _bad(f"filter: the range on {field.name!r} has no bound")
            # An integer field takes a fractional bound: `year > 1999.5` is meaningful.
            kind = FieldType.FLOAT if field.type is FieldType.INTEGER else field.type
            for bound in bounds:
                if not fits(kind, bound):
                    raise _bad(
                        f"filter: {field.name!r} takes {field.type.value} bounds, got {bound!r:.80}"
                    )
        case TextMatch(text=text):
            if field.type is not FieldType.TEXT:
                raise _bad(f"filter: {field.name!r} is {field.type.value}; text match needs words")
            if not fits(FieldType.TEXT, text) or not words(text):
                raise _bad(
                    f"filter: the text to match in {field.name!r} has no words or is too long"
                )
        case Exists():
            pass


def _check_values(field: Field, values: tuple[Scalar, ...]) -> None:
    for value in values:
        if not fits(field.type, value):
            raise _bad(f"filter: {field.name!r} takes {field.type.value} values, got {value!r:.80}")


def _bad(message: str) -> InvalidInputError:
    return InvalidInputError(message, reason="INVALID_FILTER", metadata={"field": "filter"})
