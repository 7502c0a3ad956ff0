"""Payload: the facts about a track that filters see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from retrieval.core.errors import InvalidInputError

Scalar = str | int | float | bool
PayloadValue = Scalar | tuple[Scalar, ...]
Payload = Mapping[str, PayloadValue]

FIELD_NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}\Z")
MAX_TEXT = 4_096
MAX_VALUES = 1_024


class FieldType(Enum):
    """How a payload field is indexed, and which filter conditions it takes."""

    KEYWORD = "keyword"
    """Exact strings: equality, any-of, none-of."""
    TEXT = "text"
    """Human words: everything KEYWORD takes, and text match (case-insensitive whole words)."""
    INTEGER = "integer"
    FLOAT = "float"
    """Kept and compared to 15 significant digits; see ``kept_float``."""
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    """RFC 3339 strings with a zone; ranges compare instants."""


@dataclass(frozen=True, slots=True)
class Field:
    """One payload field of a library.

    Attributes:
        name: Lower-case identifier, at most 64 characters.
        type: How it is indexed.
        description: One line with unit and range, shown by ``segue spaces`` and ``--help``.
        computed: True where Segue computes it, so that a sidecar file may not set it.
    """

    name: str
    type: FieldType
    description: str = ""
    computed: bool = False

    def __post_init__(self) -> None:
        if not FIELD_NAME.match(self.name):
            raise InvalidInputError(
                f"field name {self.name!r}: use a-z, 0-9 and '_', starting with a letter",
                reason="INVALID_FIELD",
            )


BPM_CONFIDENCE = Field(
    "bpm_confidence", FieldType.FLOAT, "chance that the measured tempo is right, 0..1", True
)
BPM_ALT = Field("bpm_alt", FieldType.FLOAT, "likelier of half and double of the tempo", True)
"""Measured, and in every library, so that a filter may ask for it wherever it asks for ``bpm``."""

STANDARD_FIELDS: tuple[Field, ...] = (
    Field("title", FieldType.TEXT, "title of the track"),
    Field("artist", FieldType.TEXT, "performing artist"),
    Field("album", FieldType.TEXT, "album title"),
    Field("album_artist", FieldType.TEXT, "artist of the whole album"),
    Field("composer", FieldType.TEXT, "composer"),
    Field("genre", FieldType.TEXT, "one or more genres"),
    Field("comment", FieldType.TEXT, "free comment"),
    Field("year", FieldType.INTEGER, "year of release"),
    Field("track_number", FieldType.INTEGER, "position on its disc, from 1"),
    Field("disc_number", FieldType.INTEGER, "disc of the album, from 1"),
    Field("bpm", FieldType.FLOAT, "tempo from the tags, else measured, beats per minute"),
    BPM_CONFIDENCE,
    BPM_ALT,
    Field("key", FieldType.KEYWORD, "tonic from the tags, else measured: C, C#, D, Eb, … B"),
    Field("mode", FieldType.KEYWORD, "major or minor, of the key", computed=True),
    Field("camelot", FieldType.KEYWORD, "the key on the Camelot wheel, 1A..12B", computed=True),
    Field("duration", FieldType.FLOAT, "length in seconds", computed=True),
    Field("sample_rate", FieldType.INTEGER, "of the file, in Hz", computed=True),
    Field("channels", FieldType.INTEGER, "of the file", computed=True),
    Field("format", FieldType.KEYWORD, "container of the file: wav, flac, mp3, …", computed=True),
    Field("paths", FieldType.KEYWORD, "where the recording lies", computed=True),
    Field("folder", FieldType.TEXT, "folders below the indexed root", computed=True),
    Field("indexed_at", FieldType.DATETIME, "when the track was first written", computed=True),
    Field("richness", FieldType.FLOAT, "perceptual dim, about -10..10", computed=True),
    Field("variation", FieldType.FLOAT, "perceptual dim, about -10..10", computed=True),
    Field("rhythm", FieldType.FLOAT, "perceptual dim, about -10..10", computed=True),
    Field("warmth", FieldType.FLOAT, "perceptual dim, about -10..10", computed=True),
    Field("harmony", FieldType.FLOAT, "perceptual dim, about -10..10", computed=True),
    Field("brightness", FieldType.FLOAT, "perceptual dim, 0..100", computed=True),
    Field("melody_trend", FieldType.FLOAT, "perceptual dim, 0..100, 50 is level", computed=True),
    Field("rhythm_speed", FieldType.FLOAT, "perceptual dim, 0..100", computed=True),
    Field("arousal", FieldType.FLOAT, "perceptual dim, 0..100", computed=True),
    Field("valence", FieldType.FLOAT, "perceptual dim, -100..100", computed=True),
)


def check_payload(payload: Payload, fields: Mapping[str, Field], *, where: str) -> None:
    """Reject a payload that does not fit the declared fields.

    Args:
        payload: The values to store; absent means not known.
        fields: Declared fields by name.
        where: The track or file to name in the error.

    Raises:
        InvalidInputError: INVALID_FIELD for an undeclared field, a value of another type, a text
            beyond 4096 characters, more than 1024 values, or a number that is not finite.
    """
    for name, value in payload.items():
        field = fields.get(name)
        if field is None:
            raise _bad(f"{where}: field {name!r} is not declared in this library")
        values = value if isinstance(value, tuple) else (value,)
        if len(values) > MAX_VALUES:
            raise _bad(f"{where}: field {name!r} has more than {MAX_VALUES} values")
        for item in values:
            if not fits(field.type, item):
                raise _bad(
                    f"{where}: field {name!r} takes {field.type.value} values, got {item!r:.80}"
                )


def fits(kind: FieldType, value: object) -> bool:
    """Whether one scalar may be stored in, or compared with, a field of this type."""
    match kind:
        case FieldType.KEYWORD | FieldType.TEXT:
            return isinstance(value, str) and len(value) <= MAX_TEXT and _is_unicode(value)
        case FieldType.BOOLEAN:
            return isinstance(value, bool)
        case FieldType.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53
        case FieldType.FLOAT:
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            return abs(value) <= 1.7e308
        case FieldType.DATETIME:
            return isinstance(value, str) and parse_datetime(value) is not None


def kept_float(value: float) -> float:
    """The number that a store keeps for this one: 15 significant digits of it.

    The engines' JSON readers are off by a unit in the last place for some longer numbers, so that
    what is read back, and what filters compare with, would not be what was written.
    """
    return float(f"{value:.15g}")


def parse_datetime(text: str) -> datetime | None:
    """An RFC 3339 instant, or None if the text is not one, has no zone or leaves years 1..9999."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return None
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment


def _is_unicode(text: str) -> bool:
    # File names that are not UTF-8 arrive with lone surrogates, which no store can keep.
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bad(message: str) -> InvalidInputError:
    return InvalidInputError(message, reason="INVALID_FIELD")
