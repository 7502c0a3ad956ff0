"""Reading a file's tags into payload fields. Tags are hostile: bounded and cleaned."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.core.payload import PayloadValue

if TYPE_CHECKING:
    from tinytag import TinyTag

REVISION = 1
"""Raise it when the same file would give other fields: tags are then read again, sound is not."""

MAX_NAME = 512
MAX_COMMENT = 4_096
MAX_GENRES = 16

YEARS = (1000, 2100)
TEMPI = (20.0, 500.0)
NUMBERS = (1, 9_999)

_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_SPACE = re.compile(r"[\s\x00]+")
_NUMBERED_GENRE = re.compile(r"^\(?\d{1,3}\)?$")
_NAMES = {
    "title": "title",
    "artist": "artist",
    "album": "album",
    "albumartist": "album_artist",
    "composer": "composer",
}
# Categories that never belong in a name: controls, surrogates, private use, unassigned, and the
# format characters, save for the joiners that scripts and emoji need.
_JUNK = frozenset({"Cc", "Cs", "Co", "Cn", "Cf"})
_JOINERS = frozenset("\u200c\u200d")


def clean(text: str, limit: int = MAX_NAME) -> str:
    """Text as one line: NFC, no control or direction characters, single spaces, bounded."""
    text = unicodedata.normalize("NFC", _SPACE.sub(" ", text[: 8 * limit]))
    kept = "".join(c for c in text if c in _JOINERS or unicodedata.category(c) not in _JUNK)
    return _SPACE.sub(" ", kept).strip()[:limit].rstrip()


def read_tags(path: Path) -> dict[str, PayloadValue]:
    """The fields that a file's tags give; a file without readable tags gives none.

    Reads ID3 (MP3, and in WAV, AIFF, AAC), RIFF INFO, AIFF text chunks, Vorbis comments (FLAC, Ogg,
    Opus) and MP4 atoms. Years outside 1000..2100 and tempi outside 20..500 bpm are dropped.
    """
    from tinytag import TinyTag, TinyTagException, UnsupportedFormatError

    try:
        with path.open("rb") as stream:
            try:
                # By content first: extensions lie.
                tags = TinyTag.get(file_obj=stream, duration=False)
            except UnsupportedFormatError:
                stream.seek(0)
                tags = TinyTag.get(filename=str(path), file_obj=stream, duration=False)
    except (TinyTagException, OSError, ValueError):
        return {}
    return tag_fields(tags)


def tag_fields(tags: TinyTag) -> dict[str, PayloadValue]:
    """Payload fields of parsed tags."""
    other: Mapping[str, list[str]] = tags.other
    fields: dict[str, PayloadValue] = {}
    for name, field in _NAMES.items():
        text = clean(_text(getattr(tags, name, None)))
        if text:
            fields[field] = text
    comment = clean(_text(tags.comment), MAX_COMMENT)
    if comment:
        fields["comment"] = comment
    genres = split_genres([_text(tags.genre), *other.get("genre", ())])
    if genres:
        fields["genre"] = genres
    numbers = {
        "year": parse_year(_text(tags.year)),
        "track_number": _number(tags.track),
        "disc_number": _number(tags.disc),
        "bpm": parse_bpm(_first(other, "bpm")),
    }
    fields.update({name: value for name, value in numbers.items() if value is not None})
    key = clean(_first(other, "initial_key"), 32)
    if key:
        fields["key"] = key
    return fields


def split_genres(texts: Iterable[str]) -> tuple[str, ...]:
    """Genres separated by ';' or NUL, each once, cleaned; bare ID3 numbers are dropped."""
    genres: dict[str, str] = {}
    for text in texts:
        for part in re.split(r"[;\x00]", text[: 64 * MAX_GENRES * 4]):
            genre = clean(part, 64)
            if genre and not _NUMBERED_GENRE.match(genre):
                genres.setdefault(genre.casefold(), genre)
    return tuple(list(genres.values())[:MAX_GENRES])


def parse_year(text: str) -> int | None:
    """The first four-digit number of a date, if it can be a year."""
    match = _YEAR.search(text[:64])
    if match is None:
        return None
    year = int(match.group())
    return year if YEARS[0] <= year <= YEARS[1] else None


def parse_bpm(text: str) -> float | None:
    """A tempo in beats per minute, if it can be one."""
    try:
        bpm = float(text.strip()[:32].replace(",", "."))
    except ValueError:
        return None
    return bpm if math.isfinite(bpm) and TEMPI[0] <= bpm <= TEMPI[1] else None


def path_fields(path: str, root: str) -> dict[str, PayloadValue]:
    """What a file's place says: a title from its name, and the folder words below its root.

    Args:
        path: Absolute path, as text without invalid characters.
        root: The indexed folder the file lies in, likewise.
    """
    place = Path(path)
    fields: dict[str, PayloadValue] = {}
    title = clean(place.stem)
    if title:
        fields["title"] = title
    folders = place.parent.relative_to(root).parts
    folder = clean("/".join(folders), MAX_COMMENT)
    if folder:
        fields["folder"] = folder
    return fields


def _number(value: Any) -> int | None:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if NUMBERS[0] <= number <= NUMBERS[1] else None


def _first(other: Mapping[str, list[str]], name: str) -> str:
    values = other.get(name)
    return _text(values[0]) if values else ""


def _text(value: Any) -> str:
    return "" if value is None else str(value)
