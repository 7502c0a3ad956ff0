"""What ``segue compare`` compares: a file, a folder or a text, and the vectors of each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from indexer.features_layout import normal
from indexer.features_npy import is_features
from indexer.report import Failure
from indexer.scan import FoundFile, is_audio, printable, scan
from retrieval.core.errors import InvalidInputError


class Kind(Enum):
    """What vectors come from."""

    AUDIO = "audio"
    FEATURES = "features"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison.

    Attributes:
        name: As the caller wrote it.
        kind: Of all its files.
        folder: Whether it is a folder.
        files: Path by name: relative, without extension. A text that was given has no file.
        text: A text that was given.
        failures: Files that could not be told apart, and what a scan refused.
    """

    name: str
    kind: Kind
    folder: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None
    failures: tuple[Failure, ...] = ()


def text_side(text: str) -> Side:
    """A text given on the command line."""
    return Side(text, Kind.TEXT, text=text)


def read_side(path: Path) -> Side:
    """A file, or the files of a folder: its sounds, or else its vectors, or else its texts.

    Raises:
        InvalidInputError: There is nothing to compare at this path.
    """
    if path.is_dir():
        return _folder(path)
    kind = _kind_of(str(path))
    if not path.exists() or kind is None:
        problem = "there is nothing here" if not path.exists() else "not a sound, .npy or .txt file"
        raise InvalidInputError(f"{path}: {problem}", metadata={"path": str(path)})
    return Side(str(path), kind, files={path.stem: str(path.absolute())})


def _folder(path: Path) -> Side:
    found = scan([path], wanted=lambda name: _kind_of(name) is not None)
    by_kind: dict[Kind, list[FoundFile]] = {kind: [] for kind in Kind}
    for file in found.files.values():
        kind = _kind_of(file.path)
        if kind is not None:
            by_kind[kind].append(file)
    kind = next((kind for kind in Kind if by_kind[kind]), None)
    if kind is None:
        raise InvalidInputError(f"{path}: there is no sound, .npy or .txt file in this folder")
    names = [_name(file) for file in by_kind[kind]]
    counts = Counter(names)
    alike = [
        Failure(printable(file.path), "FEATURES_AMBIGUOUS", "another file has this name too")
        for file, name in zip(by_kind[kind], names, strict=True)
        if counts[name] > 1
    ]
    files = {
        name: file.path
        for file, name in zip(by_kind[kind], names, strict=True)
        if counts[name] == 1
    }
    return Side(str(path), kind, True, files, failures=(*found.failures, *alike))


def _name(file: FoundFile) -> str:
    relative = os.path.relpath(printable(file.path), printable(file.root))
    return normal(os.path.splitext(relative)[0])  # noqa: PTH122 - a text, and "." means itself


_KINDS: tuple[tuple[Kind, Callable[[str], bool]], ...] = (
    (Kind.AUDIO, is_audio),
    (Kind.FEATURES, is_features),
    (Kind.TEXT, lambda name: name.lower().endswith(".txt")),
)


def _kind_of(name: str) -> Kind | None:
    return next((kind for kind, fits in _KINDS if fits(name)), None)
