"""Which found file a row of a metadata sidecar is about."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from indexer.scan import FoundFile, printable


class PathMatcher:
    """Compares names only; nothing that a sidecar says is ever opened.

    Names compare in Unicode normal form, since file systems and spreadsheets differ in how they
    write accents.
    """

    def __init__(self, sidecar: Path, files: Mapping[str, FoundFile], roots: Sequence[str]) -> None:
        # The sidecar's own folder first: that is what a person who writes it has in view.
        self._folders = [os.path.realpath(sidecar.parent), *roots]
        self._paths: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}
        for path in files:
            text = _normal(printable(path))
            self._paths.setdefault(text, path)
            self._names.setdefault(text.rpartition("/")[2], []).append(path)

    def match(self, text: str) -> tuple[str | None, str]:
        """The absolute path of the file, or None and the reason why there is none."""
        wanted = _normal(text)
        for folder in self._folders:
            # An absolute text makes the folder fall away.
            candidate = os.path.normpath(_normal(printable(folder)) + "/" + wanted)
            if wanted.startswith("/"):
                candidate = os.path.normpath(wanted)
            found = self._paths.get(candidate)
            if found is not None:
                return found, ""
        if "/" not in wanted:
            same = self._names.get(wanted, [])
            if len(same) == 1:
                return same[0], ""
            if same:
                return None, f"{len(same)} files are called {text[:200]!r}; write more of the path"
        return None, f"{text[:200]!r} is none of the files found"


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)
