"""Payload values. Each kind keeps its type: 1, 1.0 and True stay three different values."""

from __future__ import annotations

import math
from collections.abc import Mapping

from retrieval.api.checks import entry, invalid, kind_of
from retrieval.api.v1 import types_pb2 as pb
from retrieval.core.payload import Payload, PayloadValue, Scalar

_INT64 = 2**63


def encode_value(value: PayloadValue, where: str) -> pb.Value:
    """One payload value for the wire.

    Raises:
        InvalidInputError: For an integer beyond 64 bits, a number that is not finite, or a text
            that is not Unicode (file names can be that).
    """
    if isinstance(value, str):
        return pb.Value(text=_unicode(value, where))
    if isinstance(value, bool):
        return pb.Value(boolean=value)
    if isinstance(value, int):
        if not -_INT64 <= value < _INT64:
            raise invalid(where, f"{value} does not fit 64 bits")
        return pb.Value(integer=value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise invalid(where, "must be finite (no NaN, no infinity)")
        return pb.Value(number=value)
    parts = [encode_value(item, f"{where}[{i}]") for i, item in enumerate(value)]
    return pb.Value(list=pb.ValueList(values=parts))


def decode_value(value: pb.Value, where: str) -> PayloadValue:
    """One payload value from the wire.

    Raises:
        InvalidInputError: If no kind is set, a number is not finite, or a list holds a list.
    """
    if value.WhichOneof("kind") == "list":
        items = enumerate(value.list.values)
        return tuple(decode_scalar(item, f"{where}[{i}]") for i, item in items)
    return decode_scalar(value, where)


def decode_scalar(value: pb.Value, where: str, reason: str = "INVALID_REQUEST") -> Scalar:
    """One value that is not a list; see ``decode_value``."""
    kind = kind_of(value, "kind", where, reason)
    if kind == "list":
        raise invalid(where, "takes a single value, not a list", reason)
    scalar: Scalar = getattr(value, kind)
    if isinstance(scalar, float) and not math.isfinite(scalar):
        raise invalid(where, "must be finite (no NaN, no infinity)", reason)
    return scalar


def fill_payload(target: pb.Track, payload: Payload) -> None:
    """Write a library's payload into a message that has one; the library vouches for the values.

    Answers hold hundreds of values, so this is a hot path: it builds no message twice.
    """
    values = target.payload
    for field, value in payload.items():
        slot = values[field]
        if isinstance(value, tuple):
            slot.list.SetInParent()
            for item in value:
                _fill(slot.list.values.add(), item)
        else:
            _fill(slot, value)


def _fill(slot: pb.Value, value: Scalar) -> None:
    if isinstance(value, str):
        slot.text = value
    elif isinstance(value, bool):
        slot.boolean = value
    elif isinstance(value, int):
        slot.integer = value
    else:
        slot.number = value


def encode_payload(payload: Payload, where: str) -> dict[str, pb.Value]:
    """A caller's payload for the wire; see ``encode_value``."""
    return {
        _unicode(field, where): encode_value(value, entry(where, field))
        for field, value in payload.items()
    }


def decode_payload(values: Mapping[str, pb.Value], where: str) -> dict[str, PayloadValue]:
    """A payload from the wire; see ``decode_value``."""
    payload: dict[str, PayloadValue] = {}
    for field, value in values.items():
        # Paths cost more than values: the common kinds never need theirs.
        kind = value.WhichOneof("kind")
        if kind == "text":
            payload[field] = value.text
        elif kind == "integer":
            payload[field] = value.integer
        elif kind == "number" and math.isfinite(value.number):
            payload[field] = value.number
        elif kind == "list" and all(v.WhichOneof("kind") == "text" for v in value.list.values):
            payload[field] = tuple([v.text for v in value.list.values])
        else:
            payload[field] = decode_value(value, entry(where, field))
    return payload


def _unicode(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(where, f"{text[:80]!r} is not valid Unicode") from None
    return text
