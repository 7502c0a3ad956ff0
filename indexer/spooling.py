"""The folder where the prepared sound of long tracks waits to be encoded."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from retrieval.core.errors import StoreError


@contextlib.contextmanager
def spool_folder(manifest: Path) -> Iterator[Path]:
    """A private folder beside a manifest, for as long as a run lasts.

    The caller holds the manifest's lock: what a killed run left there is nobody's, and goes.

    Raises:
        StoreError: The folder cannot be made.
    """
    folder = manifest.with_suffix(".spool")
    try:
        _remove(folder)
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror or error}") from error
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            _remove(folder)


def _remove(folder: Path) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)
