"""Filters back into the language of ``--filter``: the other half of the round trip."""

from __future__ import annotations

import json

from retrieval.core.filters import (
    All,
    Any,
    AnyOf,
    Equals,
    Exists,
    NoneOf,
    Not,
    Range,
    TextMatch,
    TrackIds,
)

KEYWORDS = {"and", "or", "not", "in", "exists", "true", "false", "track"}


def name(field):
    return f"`{field}`" if field in KEYWORDS else field


def value(item):
    if isinstance(item, bool):
        return "true" if item else "false"
    return json.dumps(item) if isinstance(item, str) else repr(item)


def values(items):
    return f"({', '.join(map(value, items))})"


def show(node):
    match node:
        case All(parts=parts):
            return f"({' and '.join(map(show, parts))})"
        case Any(parts=parts):
            return f"({' or '.join(map(show, parts))})"
        case Not(part=part):
            return f"not {show(part)}"
        case Equals(field=field, value=item):
            return f"{name(field)} = {value(item)}"
        case AnyOf(field=field, values=items):
            return f"{name(field)} in {values(items)}"
        case NoneOf(field=field, values=items):
            return f"{name(field)} not in {values(items)}"
        case TextMatch(field=field, text=text):
            return f"{name(field)} ~ {value(text)}"
        case Exists(field=field):
            return f"exists {name(field)}"
        case TrackIds(ids=ids):
            return f"track in {values(ids)}"
        case Range(field=field, gt=None, lt=None, gte=low, lte=high) if None not in (low, high):
            return f"{name(field)} in {value(low)}..{value(high)}"
        case Range(field=field):
            signs = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
            [(sign, bound)] = [
                (text, getattr(node, key))
                for key, text in signs.items()
                if getattr(node, key) is not None
            ]
            return f"{name(field)} {sign} {value(bound)}"
    raise AssertionError(node)
