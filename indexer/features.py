"""``segue index --features``: vectors that were made elsewhere become a space of the library."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.features_commit import FeatureCommitter
from indexer.features_import import FeatureImport
from indexer.features_layout import TRACKS_FILE, Layout, normal, read_layout
from indexer.features_match import Matcher, SoundNames, relative_name
from indexer.features_npy import is_features
from indexer.features_report import FeatureReport, FeatureTally
from indexer.features_rows import FeatureManifest
from indexer.features_space import choose_space
from indexer.held import HeldTracks
from indexer.manifest import RunLock, manifest_path
from indexer.options import IndexOptions
from indexer.progress import Callback
from indexer.report import Failure, IndexReport
from indexer.run import run
from indexer.scan import Scan, root_path, scan
from indexer.stopping import stopping_on_signals
from indexer.upgrade import Upgrade
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.library import RecordReader
from retrieval.core.payload import STANDARD_FIELDS
from retrieval.core.spaces import EmbeddingSpace
from retrieval.core.tracks import LibraryInfo
from retrieval.encoders.registry import EncoderSet

if TYPE_CHECKING:
    from retrieval.core.library import Library


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """Choices of one import.

    Attributes:
        space: Name of the space; None takes that of an exported folder.
        revision: What made the vectors; None: see ``features_space.choose_space``.
        window: Seconds of each row of files with one row per window; None refuses such files.
        sound: How sound files are indexed, whether to prune, and whether to replace spaces.
    """

    space: str | None = None
    revision: str | None = None
    window: float | None = None
    sound: IndexOptions = field(default_factory=IndexOptions)


def index_features(
    folder: Path,
    paths: Sequence[str | Path],
    library: Library,
    encoders: EncoderSet,
    *,
    manifest_dir: Path,
    options: FeatureOptions,
    progress: Callback | None = None,
    stop: threading.Event | None = None,
) -> tuple[IndexReport, FeatureReport]:
    """Index sound files, and add a vector to each from a folder of ``.npy`` files.

    Without paths, each vector becomes a track of its own, known by the name of its file, or by what
    ``tracks.jsonl`` of an export says. Only changed files are read; a file that cannot be used is
    one line of the report.

    Args:
        folder: Files of vectors, in folders like those of the sound files.
        paths: Files and folders of sound, indexed first and as always, but for the encoder of this
            very space.
        library: Where to write; this run must be its only indexer.
        encoders: The spaces to fill from sound and words.
        manifest_dir: As in ``indexer.index``.
        options: Choices.
        progress: Called in this thread as the work goes on, first for sound, then for vectors.
        stop: Set it from another thread to end the run as Ctrl-C does.

    Returns:
        What happened to the sound files, and to the files of vectors.

    Raises:
        InvalidInputError: An option or an exported folder's own files are unusable.
        PreconditionError: REVISION_MISMATCH: the space is there with another revision or shape.
        StoreError: The library went away, or another run is using the manifest (STORE_LOCKED).
    """
    if options.window is not None and not 0.01 <= options.window <= 3600.0:
        raise InvalidInputError("window: 0.01 to 3600 seconds", metadata={"field": "window"})
    if not isinstance(library, RecordReader):
        raise PreconditionError(
            "this library gives no vectors back, so none can be added to its tracks",
            reason="UNIMPLEMENTED",
        )
    stop = stop or threading.Event()
    with stopping_on_signals(stop):
        tally = FeatureTally(progress)
        found = scan([folder], stop=stop.is_set, wanted=is_features)
        if not found.roots:
            raise InvalidInputError(f"{folder}: {found.failures[0].message}")
        files = list(found.files.values())
        layout = read_layout(folder)
        space = _space(found, layout, library, encoders, manifest_dir=manifest_dir, options=options)
        words = encoders.words()
        fields = (*STANDARD_FIELDS, *(layout.fields if layout is not None else ()))
        spaces = (space, *(encoder.space for encoder in words))
        upgrade: Upgrade | None = None
        if options.sound.upgrade is not None:
            # Vectors that are brought along replace what is there, whoever made it.
            names = [one.name for one in spaces]
            upgrade = Upgrade(library, spaces, names, manifest_dir=manifest_dir)
        info = library.declare(spaces if upgrade is None else upgrade.fitting, fields)
        sound = IndexReport()
        if paths and not found.stopped:
            others = EncoderSet(e for e in encoders.values() if e.space.name != space.name)
            sound = run(
                paths,
                library,
                others,
                manifest_dir=manifest_dir,
                options=options.sound,
                progress=progress,
                stop=stop,
            )
        tally.begin(len(files), found.failures, space)
        path = manifest_path(manifest_dir, info.id)
        with RunLock(path), contextlib.closing(FeatureManifest(path, info.id)) as manifest:
            if upgrade is not None and not (found.stopped or sound.interrupted):
                upgrade.begin(library, found=len(files))
            HeldTracks(library, manifest).check(
                row.track_id for row in manifest.features_under(found.roots[0], space.name)
            )
            sounds = SoundNames(manifest, _roots(paths)) if paths else None
            work = FeatureImport(
                committer=FeatureCommitter(library, manifest, words, space),
                manifest=manifest,
                matcher=Matcher(files, layout, sounds, manifest),
                space=space,
                window=options.window,
                tally=tally,
            )
            complete = not found.stopped and not sound.interrupted and work.run(files, stop)
            if complete:
                _note_unfound(layout, found, tally)
                work.settle_gone(found, prune=options.sound.prune)
                if upgrade is not None:
                    upgrade.settle(library, manifest, words)
                tally.finishing()
                if manifest.unoptimized:
                    library.optimize()
                    manifest.unoptimized = False
        return sound, tally.report(interrupted=not complete)


def _space(
    found: Scan,
    layout: Layout | None,
    library: Library,
    encoders: EncoderSet,
    *,
    manifest_dir: Path,
    options: FeatureOptions,
) -> EmbeddingSpace:
    info: LibraryInfo | None = None
    again = False
    manifest_dir.mkdir(parents=True, exist_ok=True)
    try:
        info = library.info()
    except PreconditionError as error:
        if error.reason != "LIBRARY_MISSING":
            raise
    name = options.space or (layout.space.name if layout is not None else None)
    if info is not None and name is not None:
        path = manifest_path(manifest_dir, info.id)
        with contextlib.closing(FeatureManifest(path, info.id)) as manifest:
            rows = manifest.features_under(found.roots[0], name)
            again = next(rows, None) is not None
    return choose_space(
        options.space,
        options.revision,
        list(found.files.values()),
        layout=layout,
        info=info,
        encoders=encoders,
        again=again,
    )


def _roots(paths: Sequence[str | Path]) -> list[str]:
    return [root_path(os.fspath(path)) for path in paths]


def _note_unfound(layout: Layout | None, found: Scan, tally: FeatureTally) -> None:
    if layout is None:
        return
    there = {normal(relative_name(file)) for file in found.files.values()}
    lacking = [name for name in layout.tracks if name not in there]
    if lacking:
        files = "1 file" if len(lacking) == 1 else f"{len(lacking)} files"
        message = f"{files} that it lists are not there, such as {lacking[0][:200]!r}"
        tally.note(Failure(TRACKS_FILE, "PATH_NOT_FOUND", message))
