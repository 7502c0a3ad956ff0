"""Filters. Depth and size are bounded while decoding, so a hostile filter costs what it is sent."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.api.checks import invalid, join, kind_of
from retrieval.api.names import track_id, track_name
from retrieval.api.v1 import types_pb2 as pb
from retrieval.api.values import decode_scalar, encode_value
from retrieval.core import filters as domain
from retrieval.core.filters import MAX_CHOICES, MAX_DEPTH, MAX_NODES
from retrieval.core.payload import Scalar

_BOUNDS = ("gt", "gte", "lt", "lte")
_REASON = "INVALID_FILTER"


def encode_filter(node: domain.Filter, where: str = "filter", depth: int = 1) -> pb.Filter:
    """A filter for the wire.

    Raises:
        InvalidInputError: INVALID_FILTER if it is nested deeper than 8 levels.
    """
    if depth > MAX_DEPTH:
        raise invalid(where, f"is nested deeper than {MAX_DEPTH} levels", _REASON)
    match node:
        case domain.Equals(field=field, value=value):
            wire = encode_value(value, join(where, "equals.value"))
            return pb.Filter(equals=pb.Equals(field=field, value=wire))
        case domain.AnyOf(field=field, values=values):
            return pb.Filter(any_of=pb.AnyOf(field=field, values=_choices(values, where)))
        case domain.NoneOf(field=field, values=values):
            return pb.Filter(none_of=pb.NoneOf(field=field, values=_choices(values, where)))
        case domain.Range():
            bounds = {
                name: encode_value(bound, join(where, f"range.{name}"))
                for name in _BOUNDS
                if (bound := getattr(node, name)) is not None
            }
            return pb.Filter(range=pb.Range(field=node.field, **bounds))
        case domain.TextMatch(field=field, text=text):
            return pb.Filter(text_match=pb.TextMatch(field=field, text=text))
        case domain.Exists(field=field):
            return pb.Filter(exists=pb.Exists(field=field))
        case domain.TrackIds(ids=ids):
            return pb.Filter(track_ids=pb.TrackIds(names=map(track_name, ids)))
        case domain.All(parts=parts):
            return pb.Filter(all=_list(parts, join(where, "all"), depth))
        case domain.Any(parts=parts):
            return pb.Filter(any=_list(parts, join(where, "any"), depth))
        case domain.Not(part=part):
            inner = encode_filter(part, join(where, "negation"), depth + 1)
            return pb.Filter(negation=inner)


def _list(parts: Sequence[domain.Filter], where: str, depth: int) -> pb.FilterList:
    return pb.FilterList(
        filters=[encode_filter(part, f"{where}[{i}]", depth + 1) for i, part in enumerate(parts)]
    )


def _choices(values: Sequence[Scalar], where: str) -> list[pb.Value]:
    return [encode_value(value, f"{where}.values[{i}]") for i, value in enumerate(values)]


def decode_filter(message: pb.Filter, where: str = "filter") -> domain.Filter:
    """A filter from the wire.

    Raises:
        InvalidInputError: INVALID_FILTER if a node or value is missing, it is deeper than 8 levels,
            or has more than 256 nodes or 1024 choices.
    """
    return _Decoder().decode(message, where, 1)


class _Decoder:
    def __init__(self) -> None:
        self._nodes = 0

    def decode(self, message: pb.Filter, where: str, depth: int) -> domain.Filter:
        self._nodes += 1
        if depth > MAX_DEPTH:
            raise invalid(where, f"is nested deeper than {MAX_DEPTH} levels", _REASON)
        if self._nodes > MAX_NODES:
            raise invalid(where, f"the filter has more than {MAX_NODES} conditions", _REASON)
        kind = kind_of(message, "node", where, _REASON)
        here = join(where, kind)
        match kind:
            case "all":
                return domain.All(self._parts(message.all, here, depth))
            case "any":
                return domain.Any(self._parts(message.any, here, depth))
            case "negation":
                return domain.Not(self.decode(message.negation, here, depth + 1))
            case _:
                return _condition(message, kind, here)

    def _parts(self, parts: pb.FilterList, where: str, depth: int) -> tuple[domain.Filter, ...]:
        return tuple(
            self.decode(part, f"{where}.filters[{i}]", depth + 1)
            for i, part in enumerate(parts.filters)
        )


def _condition(message: pb.Filter, kind: str, where: str) -> domain.Condition:
    match kind:
        case "equals":
            value = decode_scalar(message.equals.value, join(where, "value"), _REASON)
            return domain.Equals(message.equals.field, value)
        case "any_of":
            return domain.AnyOf(message.any_of.field, _values(message.any_of.values, where))
        case "none_of":
            return domain.NoneOf(message.none_of.field, _values(message.none_of.values, where))
        case "range":
            return _range(message.range, where)
        case "text_match":
            return domain.TextMatch(message.text_match.field, message.text_match.text)
        case "exists":
            return domain.Exists(message.exists.field)
        case _:
            names = message.track_ids.names
            _bounded(len(names), join(where, "names"))
            return domain.TrackIds(
                tuple(track_id(name, f"{where}.names[{i}]") for i, name in enumerate(names))
            )


def _range(message: pb.Range, where: str) -> domain.Range:
    bounds: dict[str, float | int | str] = {}
    for name in _BOUNDS:
        if message.HasField(name):
            at = join(where, name)
            bound = decode_scalar(getattr(message, name), at, _REASON)
            if isinstance(bound, bool):
                raise invalid(at, "booleans have no order", _REASON)
            bounds[name] = bound
    if not bounds:
        raise invalid(where, "set one of gt, gte, lt, lte", _REASON)
    return domain.Range(message.field, **bounds)


def _values(values: Sequence[pb.Value], where: str) -> tuple[Scalar, ...]:
    _bounded(len(values), join(where, "values"))
    return tuple(
        decode_scalar(value, f"{where}.values[{i}]", _REASON) for i, value in enumerate(values)
    )


def _bounded(count: int, where: str) -> None:
    if count > MAX_CHOICES:
        raise invalid(where, f"has more than {MAX_CHOICES} choices", _REASON)
