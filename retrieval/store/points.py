"""How tracks and segments become engine points: ids, and payload as JSON.

A point's payload, in both collections::

    track        the track id
    start, end   segments only, seconds
    fields       the user's payload: field -> scalar or list
    index        what filters need beside it: field -> words of a text, UTC instants of a datetime
    each         texts with several values: field -> [{"w": words of one value}, ...]

User fields lie one level down, so that no field name can clash with ours, and so that one
``set_payload`` replaces them on every segment of a track while its span stays.

Words are stored as keywords instead of in the engine's text index: its tokenizers differ between
engines and from ``retrieval.core.words``, and it forgets which value of a list a word came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID, uuid5

from retrieval.core.payload import (
    Field,
    FieldType,
    Payload,
    PayloadValue,
    Scalar,
    kept_float,
    parse_datetime,
)
from retrieval.core.tracks import Span
from retrieval.core.words import words

NAMESPACE = UUID("6f1c2f0a-4b5e-5d0c-9a57-3e0c8d1b7a42")

TRACK = "track"
START = "start"
END = "end"
FIELDS = "fields"
INDEX = "index"
EACH = "each"
EACH_WORDS = "w"

JsonPayload = dict[str, Any]


def track_point(track_id: str) -> str:
    """Point id (UUIDv5) of a track."""
    return str(uuid5(NAMESPACE, track_id))


def segment_point(track_id: str, span: Span) -> str:
    """Point id (UUIDv5) of a segment; a track id has no '/', so no two names are equal."""
    start = kept_float(span.start) + 0.0  # -0.0 and 0.0 are one start
    return str(uuid5(NAMESPACE, f"{track_id}/{start!r}-{kept_float(span.end)!r}"))


def field_key(name: str) -> str:
    """Payload path of a user field's own values."""
    return f"{FIELDS}.{name}"


def index_key(name: str) -> str:
    """Payload path of a field's words (TEXT) or UTC instants (DATETIME)."""
    return f"{INDEX}.{name}"


def each_key(name: str) -> str:
    """Payload path of the words of each value, present only if a TEXT has several values."""
    return f"{EACH}.{name}"


def index_keys(field: Field) -> tuple[tuple[str, FieldType], ...]:
    """The payload indexes a field needs: paths with KEYWORD, INTEGER, FLOAT, BOOLEAN or DATETIME.

    DATETIME values are indexed only in their normalised form: engines read fewer spellings than
    RFC 3339 has, and skip the others without a word.
    """
    match field.type:
        case FieldType.TEXT:
            return (
                (field_key(field.name), FieldType.KEYWORD),
                (index_key(field.name), FieldType.KEYWORD),
            )
        case FieldType.DATETIME:
            return ((index_key(field.name), FieldType.DATETIME),)
        case _:
            return ((field_key(field.name), field.type),)


def utc(text: str) -> str:
    """A datetime as ``YYYY-MM-DDTHH:MM:SS.ffffffZ``, the one spelling every engine reads."""
    moment = parse_datetime(text)
    if moment is None:
        raise ValueError(f"not a datetime with a zone: {text!r}")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def encode_fields(payload: Payload, fields: Mapping[str, Field]) -> JsonPayload:
    """The part of a point's payload that an update replaces: ``fields``, ``index`` and ``each``.

    Args:
        payload: Already checked against ``fields``.
        fields: Declared fields by name.
    """
    plain: JsonPayload = {}
    index: JsonPayload = {}
    each: JsonPayload = {}
    for name, value in payload.items():
        kind = fields[name].type
        values = value if isinstance(value, tuple) else (value,)
        stored = [kept_float(float(v)) for v in values] if kind is FieldType.FLOAT else [*values]
        plain[name] = stored if isinstance(value, tuple) else stored[0]
        if kind is FieldType.DATETIME:
            index[name] = [utc(str(v)) for v in values]
        elif kind is FieldType.TEXT:
            per_value = [sorted(set(words(str(v)))) for v in values]
            index[name] = sorted({word for some in per_value for word in some})
            if len(per_value) > 1:
                each[name] = [{EACH_WORDS: some} for some in per_value]
    return {FIELDS: plain, INDEX: index, EACH: each}


def track_payload(track_id: str, payload: Payload, fields: Mapping[str, Field]) -> JsonPayload:
    """The payload of a track's point."""
    return {TRACK: track_id, **encode_fields(payload, fields)}


def segment_payload(
    track_id: str, span: Span, payload: Payload, fields: Mapping[str, Field]
) -> JsonPayload:
    """The payload of a segment's point, with a copy of its track's fields."""
    own = {TRACK: track_id, START: kept_float(span.start), END: kept_float(span.end)}
    return {**own, **encode_fields(payload, fields)}


def selector(wanted: Sequence[str] | None) -> list[str]:
    """Payload paths to ask an engine for: ours and the wanted fields (None means all)."""
    own = [TRACK, START, END]
    return [*own, FIELDS] if wanted is None else [*own, *map(field_key, wanted)]


def track_id_of(stored: Mapping[str, Any]) -> str:
    """The track id in a point's payload."""
    return str(stored[TRACK])


def span_of(stored: Mapping[str, Any]) -> Span | None:
    """The time span in a segment's payload; None for a track's."""
    if START not in stored:
        return None
    return Span(kept_float(stored[START]), kept_float(stored[END]))


def decode_fields(stored: Mapping[str, Any], wanted: Sequence[str] | None = None) -> Payload:
    """The user's payload in a point's payload; ``wanted`` names the fields to keep (None: all)."""
    plain: Mapping[str, Any] = stored.get(FIELDS) or {}
    return {
        name: _value(value) for name, value in plain.items() if wanted is None or name in wanted
    }


def _value(value: Any) -> PayloadValue:
    if isinstance(value, list):
        return tuple(map(_scalar, value))
    return _scalar(value)


def _scalar(value: Any) -> Scalar:
    scalar: Scalar = kept_float(value) if isinstance(value, float) else value
    return scalar
