"""``library.json``: what an embedded library is made of, replaced as a whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

from retrieval.core.errors import StoreError
from retrieval.core.tracks import LibraryInfo
from retrieval.store.declaration import from_json, to_json


class LibraryFile:
    """The file.

    Args:
        path: Where it lies.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> LibraryInfo | None:
        """The library, or None if there is no file.

        Raises:
            StoreError: STORE_CORRUPT if the file is not a library's.
        """
        try:
            data = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StoreError(f"{self._path}: {error}", reason="STORE_CORRUPT") from error
        if not isinstance(data, dict):
            raise StoreError(f"{self._path} is not a library", reason="STORE_CORRUPT")
        return from_json(data)

    def write(self, info: LibraryInfo) -> None:
        """Replace the file, durably."""
        replace_file(self._path, json.dumps(to_json(info), indent=1).encode(), durable=True)


def replace_file(path: Path, data: bytes, *, durable: bool) -> None:
    """Replace a file by one rename: whoever reads it sees all of the old one or all of the new.

    Args:
        path: The file.
        data: Its new content.
        durable: Also survive a power loss.
    """
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    fresh.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
