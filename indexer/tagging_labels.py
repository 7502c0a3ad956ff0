"""A user's list of labels: one per line, hostile until read.

::

    # a comment
    calm
    energetic | fast and loud music | music to run to
    [instrument]
    piano

What stands after ``|`` are prompts that say what the label means, in place of those Segue makes. A
heading in brackets groups the labels below it.

Tags are no words of the lexical space. There a guess would count as much as a title or genre that a
person wrote, and the same evidence twice where words are also compared with the sound itself; and
every library would have to be indexed again, for the fields it reads are part of its revision.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from retrieval.core.errors import InvalidInputError
from retrieval.core.payload import Field, FieldType
from retrieval.core.words import words
from retrieval.encoders.zero_shot import Label

MAX_BYTES = 1024 * 1024
MAX_LABELS = 128
MAX_NAME = 60
MAX_PROMPT = 500
MAX_PROMPTS = 16
LEAST_SCORE = 0.1
"""Scores below this are not kept."""

TAGS = Field("tags", FieldType.TEXT, "labels of segue tag that fit, best first", computed=True)
TAGGED_BY = Field(
    "tagged_by", FieldType.KEYWORD, "list and thresholds that the tags come from", computed=True
)
PREFIX = "tag_"


def read_labels(path: Path) -> tuple[Label, ...]:
    """Read a label file: UTF-8, at most 1 MiB and 128 labels.

    Raises:
        InvalidInputError: INVALID_LABELS, with the file, and the line if one is to blame.
    """
    try:
        if not path.is_file():
            raise _bad(f"{path}: there is no such file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _bad(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise _bad(f"{path}: larger than {MAX_BYTES} bytes")
    return parse_labels(data, str(path))


def parse_labels(data: bytes, where: str) -> tuple[Label, ...]:
    """Labels from the bytes of a label file; at least one, each with a field of its own.

    Args:
        data: The file.
        where: What errors call it.

    Raises:
        InvalidInputError: INVALID_LABELS.
    """
    group = ""
    labels: list[Label] = []
    lines: list[str] = []
    # Only these end a line; an odd separator inside one is refused as a control character.
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        spot = f"{where}: line {number}"
        try:
            line = unicodedata.normalize("NFC", raw.decode()).strip(" \t\r")
        except UnicodeDecodeError as error:
            raise _bad(f"{spot}: not UTF-8 text; save the file as UTF-8") from error
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            group = _group(line, spot)
            continue
        labels.append(_label(line, group, spot))
        lines.append(f"line {number}")
        if len(labels) > MAX_LABELS:
            raise _bad(f"{spot}: more than {MAX_LABELS} labels")
    return _checked(labels, lines, where)


def named_labels(names: Sequence[str]) -> tuple[Label, ...]:
    """Labels given one by one, each as on a line of a label file.

    Raises:
        InvalidInputError: INVALID_LABELS.
    """
    if len(names) > MAX_LABELS:
        raise _bad(f"--label: more than {MAX_LABELS} labels")
    labels = []
    for name in names:
        try:
            text = unicodedata.normalize("NFC", name.encode().decode()).strip()
        except UnicodeEncodeError as error:
            raise _bad(f"--label {name!r}: not UTF-8 text") from error
        labels.append(_label(text, "", f"--label {name[:80]!r}"))
    return _checked(labels, [f"--label {label.name!r}" for label in labels], "--label")


def field_of(label: Label) -> str:
    """The payload field of a label's scores: ``tag_`` and its letters and digits, in ASCII.

    A name without ASCII letters or digits gets a digest of it.
    """
    plain = unicodedata.normalize("NFKD", label.name).encode("ascii", "ignore").decode()
    name = "_".join(words(plain))
    if not name:
        import hashlib

        name = hashlib.blake2b(label.name.casefold().encode(), digest_size=6).hexdigest()
    return f"{PREFIX}{name[: 64 - len(PREFIX)]}"


def fields_of(labels: Sequence[Label]) -> tuple[Field, ...]:
    """The payload fields that a list of labels needs."""
    scores = [
        Field(
            field_of(label),
            FieldType.FLOAT,
            f"score of the label {label.name!r}, {LEAST_SCORE:g}..1; absent below",
            computed=True,
        )
        for label in labels
    ]
    return (TAGS, TAGGED_BY, *scores)


def _group(line: str, spot: str) -> str:
    name = line.removeprefix("[").removesuffix("]").strip()
    if not line.endswith("]") or "[" in name or "]" in name:
        raise _bad(f"{spot}: write a heading as [mood]")
    _check_text(name, "heading", MAX_NAME, spot)
    return name.casefold()


def _label(line: str, group: str, spot: str) -> Label:
    name, *prompts = (part.strip() for part in line.split("|"))
    _check_text(name, "label", MAX_NAME, spot)
    if len(prompts) > MAX_PROMPTS:
        raise _bad(f"{spot}: more than {MAX_PROMPTS} prompts")
    for prompt in prompts:
        _check_text(prompt, "prompt", MAX_PROMPT, spot)
    return Label(name, group, tuple(dict.fromkeys(prompts)))


def _check_text(text: str, what: str, longest: int, spot: str) -> None:
    if len(text) > longest:
        raise _bad(f"{spot}: the {what} has {len(text)} characters; at most {longest}")
    if not text.isprintable():
        raise _bad(f"{spot}: there are control characters in the {what}")
    if not words(text):
        raise _bad(f"{spot}: the {what} {text!r} has no letter and no digit")


def _checked(labels: Sequence[Label], lines: Sequence[str], where: str) -> tuple[Label, ...]:
    if not labels:
        raise _bad(f"{where}: there are no labels")
    first: dict[str, int] = {}
    for place, label in enumerate(labels):
        other = first.setdefault(field_of(label), place)
        if other != place:
            raise _bad(
                f"{where}: {lines[place]}: {label.name!r} and {labels[other].name!r} "
                f"({lines[other]}) would share the field {field_of(label)}; rename one"
            )
    return tuple(labels)


def _bad(message: str) -> InvalidInputError:
    return InvalidInputError(f"labels: {message}", reason="INVALID_LABELS")
