"""Move a library from one store to another; nothing is encoded again."""

from __future__ import annotations

from collections.abc import Callable

from retrieval.core.errors import PreconditionError, StoreError
from retrieval.core.spaces import Level
from retrieval.core.tracks import LibraryInfo
from retrieval.store.declaration import merge
from retrieval.store.protocol import Store

PAGE = 64
Progress = Callable[[int, int], None]
"""Called with the tracks copied so far and the tracks there are."""


def copy_library(source: Store, target: Store, progress: Progress | None = None) -> int:
    """Copy every track with its payload, vectors and segments, the spaces, fields and statistics.

    A copy that was cut short is completed by another one, and a second copy changes nothing.
    Indexes are built by ``target.optimize()``.

    Args:
        source: The library to read; it should not be written to meanwhile.
        target: An empty store, or an earlier copy of the same library.
        progress: Called after every page.

    Returns:
        The number of tracks copied.

    Raises:
        PreconditionError: LIBRARY_MISSING if the source has none; REVISION_MISMATCH,
            FIELD_TYPE_CONFLICT or TARGET_NOT_EMPTY if the target holds another library.
        StoreError: If the target does not hold every track and segment of the source afterwards.
    """
    info = source.info()
    _check_target(info, source, target)
    target.declare(tuple(info.spaces.values()), tuple(info.fields.values()))
    total = source.count()
    copied = 0
    after: str | None = None
    if progress is not None:
        progress(0, total)
    while True:
        page, after = source.scroll(limit=PAGE, after=after, vectors=True, segments=True)
        target.write(page)
        copied += len(page)
        if progress is not None:
            progress(copied, max(total, copied))
        if after is None:
            break
    for space, statistics in info.statistics.items():
        target.set_statistics(space, statistics)
    target.flush()
    _verify(info, source, target)
    return copied


def _check_target(info: LibraryInfo, source: Store, target: Store) -> None:
    """Refuse a target that holds another library, before anything in it is touched."""
    try:
        held = target.info()
    except PreconditionError as error:
        if error.reason != "LIBRARY_MISSING":
            raise
        return
    merge(held, tuple(info.spaces.values()), tuple(info.fields.values()))
    foreign = sorted(set(held.spaces) - set(info.spaces))
    if foreign:
        raise PreconditionError(
            f"the target holds another library: it has spaces that the source has not "
            f"({', '.join(foreign)}); copy into one of another name",
            reason="TARGET_NOT_EMPTY",
            metadata={"spaces": ", ".join(foreign)},
        )
    after: str | None = None
    while True:
        page, after = target.scroll(limit=PAGE, after=after)
        ids = [record.id for record in page]
        known = {record.id for record in source.retrieve(ids, payload=())}
        for track_id in ids:
            if track_id not in known:
                raise PreconditionError(
                    f"the target holds another library: track {track_id} is not in the source; "
                    "copy into one of another name, or delete that track there first",
                    reason="TARGET_NOT_EMPTY",
                    metadata={"track": track_id},
                )
        if after is None:
            return


def _verify(info: LibraryInfo, source: Store, target: Store) -> None:
    def counts(store: Store) -> dict[str, int]:
        return {
            "tracks": store.count(),
            "segments": store.count(level=Level.SEGMENT),
            **{f"tracks in space {name}": store.count_vectors(name) for name in info.spaces},
        }

    read, written = counts(source), counts(target)
    for what, number in read.items():
        if written[what] != number:
            raise StoreError(
                f"the copy is incomplete: {written[what]} {what}, the source has {number}; "
                "was the source written to meanwhile? copy again",
                reason="STORE_CORRUPT",
            )
