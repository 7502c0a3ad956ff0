"""What every decoder refuses, with the path of the field at fault."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from retrieval.core.errors import InvalidInputError

E = TypeVar("E")


def invalid(where: str, message: str, reason: str = "INVALID_REQUEST") -> InvalidInputError:
    """An error about one field, for the caller to raise.

    Args:
        where: Path of the field, as in ``queries[1].vector.values[3]``.
        message: What is wrong with it and, if there is one, the fix.
        reason: Reason code.
    """
    return InvalidInputError(f"{where}: {message}", reason=reason, metadata={"field": where})


def kind_of(message: Any, oneof: str, where: str, reason: str = "INVALID_REQUEST") -> str:
    """Name of the field that is set in a oneof.

    Raises:
        InvalidInputError: If none is.
    """
    kind: str | None = message.WhichOneof(oneof)
    if kind is None:
        choices = ", ".join(f.name for f in message.DESCRIPTOR.oneofs_by_name[oneof].fields)
        raise invalid(where, f"set one of {choices}", reason)
    return kind


def required(message: Any, field: str, where: str, reason: str = "INVALID_REQUEST") -> Any:
    """The submessage in a field.

    Raises:
        InvalidInputError: If it is absent.
    """
    if not message.HasField(field):
        raise invalid(join(where, field), "is required", reason)
    return getattr(message, field)


def finite(number: float, where: str, reason: str = "INVALID_REQUEST") -> float:
    """The number unchanged.

    Raises:
        InvalidInputError: If it is NaN or infinite.
    """
    if not math.isfinite(number):
        raise invalid(where, "must be finite (no NaN, no infinity)", reason)
    return number


def all_finite(
    numbers: Iterable[float], where: str, reason: str = "INVALID_VECTOR"
) -> tuple[float, ...]:
    """The numbers as a tuple.

    Raises:
        InvalidInputError: If one is NaN or infinite; the path names the first.
    """
    values = tuple(numbers)
    if not all(map(math.isfinite, values)):
        at = next(i for i, value in enumerate(values) if not math.isfinite(value))
        raise invalid(f"{where}[{at}]", "must be finite (no NaN, no infinity)", reason)
    return values


def enum_value(number: int, names: Mapping[int, E], where: str, default: E | None = None) -> E:
    """The domain's value of an enum.

    Args:
        number: What came over the wire; 0 is "unspecified".
        names: Domain value by number.
        where: Path of the field.
        default: What unspecified means; None if the field must be set.

    Raises:
        InvalidInputError: For a number the enum lacks, and for 0 without a default.
    """
    if number == 0 and default is not None:
        return default
    if number not in names:
        raise invalid(where, f"{number} is not one of {sorted(names)}")
    return names[number]


def join(where: str, field: str) -> str:
    """Path of a field below another; ``where`` is empty at the root."""
    return f"{where}.{field}" if where else field


def entry(where: str, key: str) -> str:
    """Path of a map entry. Keys come from callers: long ones are cut, odd characters escaped."""
    return f"{where}[{key[:80]!r}]"
