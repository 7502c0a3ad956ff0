"""``segue index --features FILE``: a table of perceptual dimensions becomes a library.

The table's values are of a feature set of their own, which becomes the revision of the space
``perceptual``: a library holds one, so that values of two sets are never compared.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from indexer.features_report import FeatureReport
from indexer.features_space import HERE, IMPORTED
from indexer.manifest import RunLock, manifest_path
from indexer.perceptual_table import PerceptualTable, read_table
from indexer.stopping import stopping_on_signals
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.library import RecordReader
from retrieval.core.payload import STANDARD_FIELDS, PayloadValue
from retrieval.core.spaces import EmbeddingSpace, Level, Vector
from retrieval.core.tracks import TrackRecord
from retrieval.encoders.perceptual import PerceptualEncoder
from retrieval.encoders.registry import EncoderSet

if TYPE_CHECKING:
    from retrieval.core.library import Library
    from retrieval.encoders.protocol import WordsEncoder

_BATCH = 256
_FEWEST = 2


def index_table(
    path: Path,
    library: Library,
    encoders: EncoderSet,
    *,
    manifest_dir: Path,
    revision: str | None = None,
    prune: bool = False,
    stop: threading.Event | None = None,
) -> FeatureReport:
    """Bring a library in step with a table: a track per row, known by its name.

    Args:
        path: See ``perceptual_table``.
        library: Where to write; this run must be its only indexer.
        encoders: Those of words index the names.
        manifest_dir: As in ``indexer.index``.
        revision: What to call the feature set; None makes up ``imported-`` and a digest of the
            table. The encoder's own can be given if its values are in the table.
        prune: Delete tracks made of table rows that are gone.
        stop: Set it from another thread to end the run as Ctrl-C does.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE if the table is not usable as a whole: nothing is
            written then.
        PreconditionError: REVISION_MISMATCH if the library holds another feature set.
        StoreError: The library went away, or another run is using the manifest (STORE_LOCKED).
    """
    started = time.monotonic()
    if not isinstance(library, RecordReader):
        raise PreconditionError(
            "this library gives no vectors back, so no table can be compared with it",
            reason="UNIMPLEMENTED",
        )
    stop = stop or threading.Event()
    with stopping_on_signals(stop):
        table = read_table(path)
        _check_names(path, table)
        space = _space(table, revision, library)
        words = encoders.words()
        info = library.declare([space, *(one.space for one in words)], STANDARD_FIELDS)
        manifest_dir.mkdir(parents=True, exist_ok=True)
        with RunLock(manifest_path(manifest_dir, info.id)):
            counts: Counter[str] = Counter()
            for records in _records(table, space, words):
                if stop.is_set():
                    break
                counts += _write(records, library, library, space.name)
            else:
                if prune:
                    counts["removed"] = _prune(table, library, space.name)
                if counts["added"] + counts["updated"] + counts["removed"]:
                    if library.count_tracks() >= _FEWEST:
                        library.refit(space.name)
                    library.optimize()
    return FeatureReport(
        space=space.name,
        revision=space.revision,
        found=len(table.names),
        added=counts["added"],
        updated=counts["updated"],
        unchanged=counts["unchanged"],
        removed=counts["removed"],
        seconds=time.monotonic() - started,
        unit="row",
        interrupted=stop.is_set(),
    )


def track_id_of(name: str) -> str:
    """The id of a row's track: the same name is the same track, whatever its values become."""
    return hashlib.blake2b(f"table\0{name}".encode(), digest_size=16).hexdigest()


def _check_names(path: Path, table: PerceptualTable) -> None:
    first: dict[str, int] = {}
    for name, line in zip(table.names, table.lines, strict=True):
        if not name or name in first:
            problem = f"{name[:80]!r} is also on line {first[name]}" if name else "there is no name"
            raise InvalidInputError(f"{path}, line {line}: {problem}", reason="FEATURES_UNREADABLE")
        first[name] = line


def _space(table: PerceptualTable, revision: str | None, library: Library) -> EmbeddingSpace:
    measured = PerceptualEncoder().space
    if revision in {HERE, measured.revision}:
        return measured
    try:
        held = library.info().spaces.get(measured.name)
    except PreconditionError as error:
        if error.reason != "LIBRARY_MISSING":
            raise
        held = None
    revision = revision or IMPORTED + _digest(table)
    if held is not None and held.revision != revision:
        raise PreconditionError(
            f"space {held.name!r} of this library is of feature set {held.revision}, which is never"
            " mixed with another: import the table into a library of its own (--library NAME), or "
            f"add --revision {held.revision} if the very same regressors made it",
            reason="REVISION_MISMATCH",
            metadata={"space": held.name, "library": held.revision},
        )
    # Nothing here can encode a sound in this set, and rows have no moments.
    return replace(
        measured,
        revision=revision,
        query_modalities=frozenset(),
        levels=frozenset({Level.TRACK}),
    )


def _digest(table: PerceptualTable) -> str:
    digest = hashlib.blake2b("\0".join(table.names).encode(), digest_size=8)
    digest.update(np.ascontiguousarray(table.values).tobytes())
    return digest.hexdigest()


def _records(
    table: PerceptualTable, space: EmbeddingSpace, words: Sequence[WordsEncoder]
) -> Iterator[list[TrackRecord]]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    encoder = PerceptualEncoder()
    batch: list[TrackRecord] = []
    for name, row in zip(table.names, table.values.astype(np.float32), strict=True):
        payload: dict[str, PayloadValue] = {"title": name, "indexed_at": now}
        payload |= encoder.payload(row)
        vectors: dict[str, Vector] = {space.name: row}
        vectors |= {one.space.name: one.encode_words(payload) for one in words}
        batch.append(TrackRecord(track_id_of(name), payload, vectors))
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _write(
    records: Sequence[TrackRecord], library: Library, held: RecordReader, space: str
) -> Counter[str]:
    """Write what is new or has changed; what the library keeps of a track beside it stays."""
    counts: Counter[str] = Counter()
    known = {one.id: one for one in held.fetch_records([record.id for record in records])}
    changed = []
    for record in records:
        old = known.get(record.id)
        if old is not None and _same(old.vectors.get(space), record.vectors[space]):
            counts["unchanged"] += 1
            continue
        counts["added" if old is None else "updated"] += 1
        if old is not None:
            vectors = {**old.vectors, **record.vectors}
            payload = {**old.payload, **record.payload}
            payload["indexed_at"] = old.payload.get("indexed_at", payload["indexed_at"])
            record = TrackRecord(record.id, payload, vectors, old.segments)  # noqa: PLW2901
        changed.append(record)
    if changed:
        library.write(changed)
    return counts


def _same(held: Vector | None, wanted: Vector) -> bool:
    if not isinstance(held, np.ndarray) or not isinstance(wanted, np.ndarray):
        return False
    # Vectors come back from their stored units within a rounding.
    return bool(np.allclose(held, wanted, rtol=1e-5, atol=1e-4))


def _prune(table: PerceptualTable, library: Library, space: str) -> int:
    """Delete tracks that are made of a row, and of no row that is there."""
    there = {track_id_of(name) for name in table.names}
    gone: list[str] = []
    after: str | None = None
    while True:
        page = library.read_page(after=after)
        for record in page.records:
            made = record.id == track_id_of(str(record.payload.get("title", "")))
            if made and space in record.vectors and record.id not in there:
                gone.append(record.id)
        after = page.next_after
        if after is None:
            break
    return sum(
        library.delete_tracks(gone[start : start + _BATCH]) for start in range(0, len(gone), _BATCH)
    )
