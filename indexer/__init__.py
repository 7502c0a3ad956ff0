"""Reads a folder of music and writes it into a Segue library.

``index`` is the way in, with the options it takes, the progress it tells and the report it returns.
Importing this package is light; the heavy parts load on the first call. Beside it stand
``features`` (vectors made elsewhere), ``features_export`` and ``features_table`` (vectors for other
programs) and ``compare`` (sounds, vectors and texts without a library).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from indexer.options import IndexOptions
from indexer.progress import Callback, Progress, Stage
from indexer.report import Failure, IndexReport

if TYPE_CHECKING:
    from retrieval.core.library import LibraryWriter
    from retrieval.encoders.registry import EncoderSet

__all__ = ["Callback", "Failure", "IndexOptions", "IndexReport", "Progress", "Stage", "index"]


def index(
    paths: Sequence[str | Path],
    library: LibraryWriter,
    encoders: EncoderSet,
    *,
    manifest_dir: Path,
    options: IndexOptions | None = None,
    progress: Callback | None = None,
    stop: Event | None = None,
) -> IndexReport:
    """Bring a library in step with the audio files at ``paths``.

    Only what changed is read, and only what sounds different is encoded; a run that was killed goes
    on where it was. A file that fails is a line of the report and never stops the run. Ctrl-C (in
    the main thread) or ``stop`` ends the run early with all finished work committed.

    Args:
        paths: Files and folders; folders are searched recursively.
        library: Where to write; this run must be its only indexer.
        encoders: The spaces to fill.
        manifest_dir: Folder for the record of what is committed; made if need be.
        options: Workers, pruning, metadata sidecar and limits.
        progress: Called in this thread as the work goes on.
        stop: Set it from another thread to end the run as Ctrl-C does.

    Returns:
        What happened to each file found.

    Raises:
        InvalidInputError: An option or the metadata file is unusable.
        PreconditionError: REVISION_MISMATCH or FIELD_TYPE_CONFLICT; see ``LibraryWriter.declare``.
        StoreError: The library went away, or another run is using the manifest (STORE_LOCKED).
    """
    from indexer.run import run

    return run(
        paths,
        library,
        encoders,
        manifest_dir=manifest_dir,
        options=options or IndexOptions(),
        progress=progress,
        stop=stop,
    )
