"""One index run from the paths to the report."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.bell import Bell
from indexer.commit import Committer, Gone, Outcome
from indexer.devices import devices
from indexer.encoding import Encoding
from indexer.hearing import with_listener
from indexer.hearing_labels import hear_by_labels
from indexer.held import HeldTracks
from indexer.manifest import Manifest, RunLock, manifest_path
from indexer.options import IndexOptions
from indexer.pipeline import Pipeline
from indexer.plan import Plan, Planner, Step
from indexer.pool import WorkerPool
from indexer.progress import Callback
from indexer.reading import Reading
from indexer.report import IndexReport
from indexer.room import Room
from indexer.scan import Scan, device_of, is_under, scan
from indexer.sidecar import Sidecar, read_sidecar
from indexer.spooling import spool_folder
from indexer.stopping import stopping_on_signals
from indexer.tagging_index import RunTagging
from indexer.tagging_labels import read_labels
from indexer.tally import Tally
from indexer.upgrade import Upgrade
from indexer.worker import Setup
from indexer.writing import Writing
from retrieval.audio import Limits
from retrieval.core.errors import InvalidInputError
from retrieval.core.library import LibraryWriter, RecordReader
from retrieval.core.payload import STANDARD_FIELDS
from retrieval.core.spaces import Distance
from retrieval.describe.heard import Heard
from retrieval.describe.protocol import Descriptor
from retrieval.describe.registry import load_all

if TYPE_CHECKING:
    from retrieval.encoders.registry import EncoderSet

STATISTICS_FROM = 16
"""Tracks a library must have before its statistics are frozen."""

MAX_BATCH = 256
"""Most tracks of one write; a service takes at most 1000 in a message."""

_GONE_BATCH = 256


def run(
    paths: Sequence[str | Path],
    library: LibraryWriter,
    encoders: EncoderSet,
    *,
    manifest_dir: Path,
    options: IndexOptions,
    progress: Callback | None,
    stop: threading.Event | None,
) -> IndexReport:
    """See ``indexer.index``."""
    _check(options)
    stop = stop or threading.Event()
    descriptors = with_listener(load_all(options.descriptors), encoders.values())
    fields = (*STANDARD_FIELDS, *(field for one in descriptors for field in one.fields))
    labels = read_labels(options.tags) if options.tags is not None else None
    tally = Tally(progress)
    with stopping_on_signals(stop):
        spaces = encoders.spaces()
        upgrade: Upgrade | None = None
        if options.upgrade is not None:
            upgrade = Upgrade(library, spaces, options.upgrade, manifest_dir=manifest_dir)
            paths, spaces = [*paths, *upgrade.files(paths)], upgrade.fitting
        found = scan(paths, on_found=tally.scanning, stop=stop.is_set)
        info = library.declare(spaces, fields)
        sidecar: Sidecar | None = None
        if options.metadata is not None:
            roots = dict.fromkeys([*found.roots, *(file.root for file in found.files.values())])
            sidecar = read_sidecar(options.metadata, found.files, list(roots), info.fields)
            if sidecar.fields:
                library.declare(spaces, sidecar.fields)
        tally.begin(len(found.files), found.failures, sidecar.notes if sidecar else ())
        manifest_dir.mkdir(parents=True, exist_ok=True)
        path = manifest_path(manifest_dir, info.id)
        with (
            RunLock(path),
            contextlib.closing(Manifest(path, info.id)) as manifest,
            contextlib.closing(Manifest(path, info.id)) as writing_manifest,
            spool_folder(path) as spool,
        ):
            if upgrade is not None and not found.stopped:
                info = upgrade.begin(library, found=len(found.files))
            tagging = RunTagging(
                library,
                info,
                encoders,
                manifest_dir=manifest_dir,
                labels=labels,
                off=options.no_tags,
            )
            committer = Committer(library, writing_manifest, encoders.words(), tagging.tagger)
            complete = not found.stopped and _index(
                found,
                sidecar,
                library=library,
                encoders=encoders,
                descriptors=descriptors,
                manifest=manifest,
                committer=committer,
                options=options,
                tally=tally,
                spool=spool,
                stop=stop,
            )
            if complete:
                _settle_gone(found, manifest, committer, options, tally)
                _remember_devices(found, manifest)
                tally.finishing()
                complete = tagging.finish(manifest, tally.note, stop.is_set)
                if complete and Heard.name in options.descriptors:
                    complete = hear_by_labels(
                        library,
                        encoders,
                        manifest=manifest,
                        committer=committer,
                        folder=manifest_dir,
                        stopped=stop.is_set,
                    )
                if complete and upgrade is not None:
                    tally.upgrade = upgrade.settle(library, manifest, encoders.words())
                _finish(library, encoders, manifest)
        return tally.report(interrupted=not complete)


def _index(
    found: Scan,
    sidecar: Sidecar | None,
    *,
    library: LibraryWriter,
    encoders: EncoderSet,
    descriptors: tuple[Descriptor, ...],
    manifest: Manifest,
    committer: Committer,
    options: IndexOptions,
    tally: Tally,
    spool: Path,
    stop: threading.Event,
) -> bool:
    """Settle every file found; whether that came to its end."""
    audio = encoders.audio()
    rows = (manifest.file(path) for path in found.files)
    held = HeldTracks(library, manifest)
    held.check(row.track_id for row in rows if row is not None)
    planner = Planner(
        manifest,
        audio={encoder.space.name: encoder.space.revision for encoder in audio},
        words={encoder.space.name: encoder.space.revision for encoder in encoders.words()},
        sidecar=sidecar.values if sidecar is not None else None,
        can_add_spaces=isinstance(library, RecordReader),
        descriptors={one.name: one.version for one in descriptors},
    )
    plans: list[Plan] = []
    for file in found.files.values():
        if stop.is_set():
            return False
        plan = planner.plan(file)
        if plan.step is Step.NOTHING:
            tally.settle(file.path, Outcome.UNCHANGED)
        else:
            plans.append(plan)
    to_read = (plan.file for plan in plans if plan.step in {Step.PROBE, Step.ENCODE})
    tally.will_read({file.path: file.size for file in to_read})
    limits = Limits()
    if options.max_duration is not None:
        limits = Limits(max_duration=options.max_duration)
    setup = Setup(audio, limits, options.file_timeout, options.spool_from, descriptors)
    with contextlib.ExitStack() as stack:
        bell = stack.enter_context(contextlib.closing(Bell()))
        pool = stack.enter_context(contextlib.closing(WorkerPool(options.workers, setup)))
        encoding = Encoding(
            devices(options.device, audio),
            audio,
            step=options.step,
            ring=bell.ring,
            heard=lambda job, share: tally.heard(job.path, share),
        )
        stack.callback(lambda: tally.encoded(encoding.seconds, encoding.devices))
        stack.enter_context(contextlib.closing(encoding))
        writing = Writing(committer, batch=options.batch, ring=bell.ring)
        stack.enter_context(contextlib.closing(writing))
        return Pipeline(
            reading=Reading(pool, spool),
            encoding=encoding,
            writing=writing,
            room=Room.of(
                workers=options.workers, batch=options.batch, file=options.spool_from, spool=spool
            ),
            bell=bell,
            manifest=manifest,
            planner=planner,
            held=held,
            tally=tally,
            stopped=stop.is_set,
        ).run(plans)


def _settle_gone(
    found: Scan, manifest: Manifest, committer: Committer, options: IndexOptions, tally: Tally
) -> None:
    """Forget the files that are gone, or mark them so that a path that is there gives the tags."""
    gone: dict[str, None] = {}
    for root in found.roots:
        known = [
            row
            for row in manifest.files_under(root)
            if row.path not in found.files and found.covers(row.path)
        ]
        if known and _is_unplugged(root, found, manifest):
            message = "empty and on another device than before: is a drive missing?"
            tally.note(root, "ROOT_CHANGED", f"{message} Nothing known under it was touched.")
            continue
        gone.update({row.path: None for row in known if options.prune or not row.missing})
    paths = list(gone)
    for start in range(0, len(paths), _GONE_BATCH):
        committer.apply([Gone(path, options.prune) for path in paths[start : start + _GONE_BATCH]])
    tally.removed = committer.sweep()


def _is_unplugged(root: str, found: Scan, manifest: Manifest) -> bool:
    """Whether a root is only the bare mount point of what was there before."""
    before, now = manifest.device(root), device_of(root)
    return before not in {None, now} and not any(is_under(path, root) for path in found.files)


def _remember_devices(found: Scan, manifest: Manifest) -> None:
    with_files = {file.root for file in found.files.values()}
    for root in with_files.intersection(found.roots):
        device = device_of(root)
        if device is not None and device != manifest.device(root):
            manifest.set_device(root, device)


def _finish(library: LibraryWriter, encoders: EncoderSet, manifest: Manifest) -> None:
    """Freeze statistics once there are enough tracks, and build the library's indexes."""
    fitted = [s for s in encoders.spaces() if s.distance is Distance.WEIGHTED_EUCLIDEAN]
    if fitted:
        frozen = library.declare(encoders.spaces()).statistics
        for space in fitted:
            enough = manifest.count_encoded(space.name) >= STATISTICS_FROM
            if space.name not in frozen and enough:
                library.refit(space.name)
    if manifest.unoptimized:
        library.optimize()
        manifest.unoptimized = False


def _check(options: IndexOptions) -> None:
    if options.no_tags and options.tags is not None:
        raise InvalidInputError("tags: give labels or no_tags, not both", reason="INVALID_SETTING")
    for name, value, low, high in (
        ("workers", options.workers, 1, 1_024),
        ("batch", options.batch, 1, MAX_BATCH),
        ("file_timeout", options.file_timeout, 0.1, 1e6),
        ("max_duration", options.max_duration, 0.1, 1e6),
        ("step", options.step, 1, 86_400),
        ("spool_from", options.spool_from, 0, 2**40),
    ):
        if value is not None and not low <= value <= high:
            raise InvalidInputError(
                f"{name}: {low:g} to {high:g}, got {value}",
                reason="INVALID_SETTING",
                metadata={"field": name},
            )
