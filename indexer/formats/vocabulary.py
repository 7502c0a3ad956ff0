"""Chord ids: a JSON object of name to id, to which names are only ever added."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from indexer.formats.chord_names import normal_chord
from indexer.formats.files import bad, read_text

MAX_ID = 1_000_000
_NAMES: TypeAdapter[dict[str, int]] = TypeAdapter(
    dict[
        Annotated[str, Field(min_length=1, max_length=64)],
        Annotated[int, Field(ge=0, le=MAX_ID, strict=True)],
    ]
)


def read(path: Path) -> dict[str, int]:
    """Ids by name as the file spells it. There may be gaps; no size is taken for granted.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE if it is no such file, or an id has two names.
    """
    try:
        names = _NAMES.validate_python(_object(path))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise bad(path, f"{'.'.join(map(str, first['loc']))[:80]}: {first['msg']}") from error
    taken: dict[int, str] = {}
    for name, number in names.items():
        if taken.setdefault(number, name) != name:
            raise bad(path, f"{taken[number]!r} and {name!r} have the same id {number}")
    return names


def extend(known: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    """The same ids, and new ones for names that have none, above all there are.

    A name counts as known if it is there in any spelling (``m7`` for ``min7``).
    """
    ids = dict(known)
    spelt = {normal_chord(name) or name for name in ids}
    for name in names:
        if (normal_chord(name) or name) not in spelt:
            ids[name] = max(ids.values(), default=-1) + 1
            spelt.add(normal_chord(name) or name)
    return ids


def by_chord(known: Mapping[str, int]) -> dict[str, int]:
    """Ids by the spelling of ``normal_chord``; the first of several wins."""
    ids: dict[str, int] = {}
    for name, number in known.items():
        ids.setdefault(normal_chord(name) or name, number)
    return ids


def to_text(names: Mapping[str, int]) -> str:
    """The file of a vocabulary, in order of ids."""
    ordered = dict(sorted(names.items(), key=lambda item: item[1]))
    return json.dumps(ordered, indent=1, ensure_ascii=False) + "\n"


def _object(path: Path) -> object:
    def no_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name is there twice")
        return dict(pairs)

    try:
        return json.loads(read_text(path), object_pairs_hook=no_twins)
    except (ValueError, RecursionError) as error:
        raise bad(path, f"not a JSON object of names and ids: {error}") from error
