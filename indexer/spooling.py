"""The folder where the prepared sound of long tracks waits to be encoded."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from retrieval.core.errors import StoreError


@contextlib.contextmanager
def spool_folder(manifest: Path) -> Iterator[Path]:
    """A private folder beside a manifest, for as long as a run lasts.

    The caller holds the manifest's lock: what killed runs left there is nobody's, and goes. Names
    never come again, since a worker may outlive its run by the file it is at.

    Raises:
        StoreError: The folder cannot be made.
    """
    prefix = f"{manifest.stem}.spool-"
    for left in manifest.parent.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=manifest.parent))
    except OSError as error:
        raise StoreError(f"{manifest.parent}: {error.strerror or error}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
