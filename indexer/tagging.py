"""Tagging a library by a list of labels."""

from __future__ import annotations

import contextlib
import heapq
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from indexer.manifest import Manifest, RunLock, manifest_path
from indexer.stopping import stopping_on_signals
from indexer.tagging_commit import write_tags
from indexer.tagging_file import Tagging, load_tagging, save_tagging, tagging_path
from indexer.tagging_labels import TAGGED_BY, TAGS, field_of, fields_of
from indexer.tagging_measure import Wish, pages, settle
from indexer.tagging_scores import Tagger, tags_of
from retrieval.core.errors import PreconditionError
from retrieval.core.filters import Exists
from retrieval.core.library import Library, LibraryWriter
from retrieval.core.payload import Payload
from retrieval.core.tracks import LibraryInfo, Track, TrackRecord
from retrieval.encoders.protocol import Encoder

EXAMPLES = 3

Watch = Callable[[str, int, int], None]
"""Called with what is being done (``measuring``, ``adding fields``, ``tagging``, ``clearing``), the
tracks done, and all there are."""


@dataclass(frozen=True, slots=True)
class LabelCount:
    """What a label came to.

    Attributes:
        name: The label.
        group: Its heading.
        field: Payload field of its scores.
        shares: By space, the share of the group it sets apart; None where it separates nothing.
        tracks: Tracks it is a tag of.
        examples: The best of these with their scores, best first.
    """

    name: str
    group: str
    field: str
    shares: Mapping[str, float | None]
    tracks: int
    examples: tuple[tuple[Track, float], ...]


@dataclass(frozen=True, slots=True)
class TagReport:
    """What a tagging run did, or would do.

    Attributes:
        labels: In the order of the list.
        threshold: Score from which on a label is a tag.
        tracks: Tracks looked at.
        tagged: Those with one tag at least.
        changed: Those whose payload was changed.
        interrupted: The run was stopped before the end; what is written stays.
    """

    labels: tuple[LabelCount, ...]
    threshold: float
    tracks: int
    tagged: int
    changed: int
    interrupted: bool = False


def tag(
    library: Library,
    encoders: Mapping[str, Encoder],
    wish: Wish,
    *,
    manifest_dir: Path,
    dry_run: bool = False,
    watch: Watch | None = None,
) -> TagReport:
    """Tag every track of a library, and from now on those that index runs add.

    Thresholds are measured on the library the first time and frozen then, for each label and space.
    Tracks that carry the tags already are left alone. Ctrl-C ends the run with whole tracks
    written; the same call goes on from there.

    Args:
        library: It must have no other indexer meanwhile.
        encoders: By space; asked for text only, and only for labels not measured before.
        wish: Labels, spaces, threshold.
        manifest_dir: Where the record of the library is kept; made if need be.
        dry_run: Measure and count, and write nothing.
        watch: Told how far it is.

    Raises:
        PreconditionError: As ``settle``, and FIELD_TYPE_CONFLICT.
        StoreError: The library went away, or an index run is at work (STORE_LOCKED).
        KeyboardInterrupt: Stopped while measuring; nothing was written.
    """
    info = library.info()
    path = tagging_path(manifest_dir, info.id)
    total = library.count_tracks()
    stop = threading.Event()

    def told(doing: str, read: int) -> None:
        if watch is not None:
            watch(doing, read, total)

    def measuring(read: int) -> None:
        told("measuring", read)
        if stop.is_set():
            raise KeyboardInterrupt

    with stopping_on_signals(stop), contextlib.ExitStack() as opened:
        manifest = None if dry_run else opened.enter_context(opened_manifest(manifest_dir, info))
        tagging = settle(wish, load_tagging(path), library, encoders, measuring)
        if manifest is not None:
            told("adding fields", 0)
            begin_tagging(library, tagging, path)
        tagger, count, fields = Tagger(tagging), _Count(tagging), library.info().fields
        for page in pages(library):
            fresh = tagger.payloads([record.vectors for record in page])
            new = [_stands(r, tags) or tags for r, tags in zip(page, fresh, strict=True)]
            if manifest is not None:
                count.changed += write_tags(library, manifest, page, new, fields)
            count.add(page, new)
            told("tagging", count.tracks)
            if stop.is_set():
                break
        else:
            if manifest is not None and manifest.unoptimized:
                library.optimize()
                manifest.unoptimized = False
    return count.report(tagging, interrupted=stop.is_set() and count.tracks < total)


def clear(library: Library, *, manifest_dir: Path, watch: Watch | None = None) -> int:
    """Take all tags off, forget the labels, and tag no new tracks.

    Returns:
        How many tracks had tags.

    Raises:
        StoreError: The library went away, or an index run is at work (STORE_LOCKED).
        KeyboardInterrupt: Stopped; what was cleared stays so.
    """
    info = library.info()
    path = tagging_path(manifest_dir, info.id)
    stop = threading.Event()
    changed = 0
    with stopping_on_signals(stop), opened_manifest(manifest_dir, info) as manifest:
        stop_tagging(path)
        if TAGGED_BY.name in info.fields:
            held = Exists(TAGGED_BY.name)
            total = library.count_tracks(held)
            for page in pages(library, held):
                changed += write_tags(library, manifest, page, [{}] * len(page), info.fields)
                if watch is not None:
                    watch("clearing", changed, total)
                if stop.is_set():
                    raise KeyboardInterrupt
        path.unlink(missing_ok=True)
    return changed


@contextlib.contextmanager
def opened_manifest(manifest_dir: Path, info: LibraryInfo) -> Iterator[Manifest]:
    """The manifest of a library, kept from index runs.

    Raises:
        StoreError: STORE_LOCKED if one is at work.
    """
    manifest_dir.mkdir(parents=True, exist_ok=True)
    path = manifest_path(manifest_dir, info.id)
    with RunLock(path), contextlib.closing(Manifest(path, info.id)) as manifest:
        yield manifest


def begin_tagging(library: LibraryWriter, tagging: Tagging, path: Path) -> None:
    """Declare the fields and remember the tagging; from here on new tracks are tagged by it.

    Raises:
        PreconditionError: FIELD_TYPE_CONFLICT if a field is taken by the user's own metadata.
    """
    wanted = fields_of(tagging.labels)
    known = library.declare(()).fields
    for one in wanted:
        if one.name in known and not known[one.name].computed:
            raise PreconditionError(
                f"field {one.name!r} holds metadata of yours in this library, and tags need it; "
                "rename the label or, for tags, the column of the metadata file (in a new library)",
                reason="FIELD_TYPE_CONFLICT",
                metadata={"field": one.name},
            )
    if any(one.name not in known for one in wanted):
        library.declare((), wanted)
    save_tagging(path, tagging)


def stop_tagging(path: Path) -> None:
    """Tag no new tracks; those that have tags keep them."""
    before = load_tagging(path)
    if before is not None and before.on:
        save_tagging(path, replace(before, on=False))


def _stands(record: TrackRecord, new: Payload) -> Payload | None:
    """The tags a track has, if they are by the same list and thresholds.

    Vectors come back from a store with fewer digits; what was told from all of them stands.
    """
    held = tags_of(record.payload)
    return held if new and held.get(TAGGED_BY.name) == new[TAGGED_BY.name] else None


class _Count:
    """Counts the tags of pages, and keeps the best tracks of each label."""

    def __init__(self, tagging: Tagging) -> None:
        self.tracks = self.changed = self._tagged = 0
        self._labels = tagging.labels
        self._counts = [0] * len(tagging.labels)
        self._best: list[list[tuple[float, str, Track]]] = [[] for _ in tagging.labels]

    def add(self, page: Sequence[TrackRecord], tags: Sequence[Payload]) -> None:
        for record, new in zip(page, tags, strict=True):
            self.tracks += 1
            held = new.get(TAGS.name, ())
            names = set(held) if isinstance(held, tuple) else {held}
            self._tagged += bool(names)
            for place, label in enumerate(self._labels):
                if label.name in names:
                    self._counts[place] += 1
                    score = new[field_of(label)]
                    assert isinstance(score, float)  # noqa: S101 - field type
                    # Ids tell equal scores apart, so that tracks are never compared.
                    one = (score, record.id, Track(record.id, record.payload))
                    heapq.heappush(self._best[place], one)
                    if len(self._best[place]) > EXAMPLES:
                        heapq.heappop(self._best[place])

    def report(self, tagging: Tagging, *, interrupted: bool) -> TagReport:
        labels = tuple(
            LabelCount(
                name=label.name,
                group=label.group,
                field=field_of(label),
                shares={name: held.fits[place].share for name, held in tagging.spaces.items()},
                tracks=self._counts[place],
                examples=tuple((t, s) for s, _, t in sorted(self._best[place], reverse=True)),
            )
            for place, label in enumerate(self._labels)
        )
        return TagReport(
            labels, tagging.threshold, self.tracks, self._tagged, self.changed, interrupted
        )
