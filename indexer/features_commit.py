"""Writing imported vectors to the library and then committing the manifest, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from indexer.commit import Committer, merge
from indexer.features_match import Target
from indexer.features_rows import FeatureManifest, FeatureRow
from indexer.report import Failure
from indexer.rows import TrackRow, payload_digest
from indexer.scan import printable
from retrieval.core.errors import InvalidInputError
from retrieval.core.library import LibraryWriter, RecordReader
from retrieval.core.payload import Payload, PayloadValue
from retrieval.core.spaces import DenseVector, EmbeddingSpace, Vector
from retrieval.core.tracks import SegmentRecord, TrackRecord
from retrieval.encoders.protocol import WordsEncoder

_DELETE = 256


class RecordLibrary(LibraryWriter, RecordReader, Protocol):
    """A library that vectors can be added to: it gives back what it holds."""


@dataclass(frozen=True, slots=True, eq=False)
class Import:
    """One vector to write, checked against its space.

    Attributes:
        row: As the manifest will keep it.
        target: Where it goes.
        vector: float32 (dim,).
        segments: Of its windows, in order of time; empty if the file has none.
    """

    row: FeatureRow
    target: Target
    vector: DenseVector
    segments: tuple[SegmentRecord, ...] = ()


class FeatureCommitter:
    """Adds and removes vectors of one space; used by one thread."""

    def __init__(
        self,
        library: RecordLibrary,
        manifest: FeatureManifest,
        words: Sequence[WordsEncoder],
        space: EmbeddingSpace,
    ) -> None:
        self._library, self._manifest, self._words = library, manifest, words
        self._space = space
        self._words_spaces = {e.space.name: e.space.revision for e in words}

    def is_current(self, target: Target) -> bool:
        """Whether a recording has a vector of this revision and, if it is ours, words too."""
        track = self._manifest.track(target.track_id)
        if track is None or track.spaces.get(self._space.name) != self._space.revision:
            return False
        return not self._is_ours(target) or self._words_spaces.items() <= track.spaces.items()

    def put(self, imports: Sequence[Import]) -> list[Failure]:
        """Write vectors, each to a recording of its own, and commit them.

        Returns:
            Those that the library did not take, and why.

        Raises:
            SegueError: The library is gone; nothing of the batch is committed then.
        """
        try:
            with self._manifest.transaction():
                return self._put(imports)
        except InvalidInputError as error:
            if len(imports) == 1:
                path = printable(imports[0].row.path)
                return [Failure(path, error.reason, error.message)]
        # One record that the library refuses must not hold up the others.
        return [failure for one in imports for failure in self.put([one])]

    def _put(self, imports: Sequence[Import]) -> list[Failure]:
        held = {r.id: r for r in self._library.fetch_records([i.target.track_id for i in imports])}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        records: list[TrackRecord] = []
        failures: list[Failure] = []
        for one in imports:
            track_id = one.target.track_id
            old, row = held.get(track_id), self._manifest.track(track_id)
            if old is None and not one.target.alone:
                why = ("TRACK_NOT_FOUND", "its recording has gone meanwhile")
                failures.append(Failure(printable(one.row.path), *why))
                continue
            vectors: dict[str, Vector] = {self._space.name: one.vector}
            payload = old.payload if old is not None else {}
            since = str(payload.get("indexed_at", now))
            row = row or TrackRow(track_id, one.target.computed, since)
            spaces = {**row.spaces, self._space.name: self._space.revision}
            if old is None or self._is_ours(one.target):
                payload = _payload(one.target, old, now)
                vectors |= {e.space.name: e.encode_words(payload) for e in self._words}
                spaces |= self._words_spaces
                since = str(payload["indexed_at"])
                row = replace(row, indexed_at=since, payload_digest=payload_digest(payload))
            record = TrackRecord(track_id, payload, vectors, one.segments)
            records.append(record if old is None else self._merged(old, record))
            self._manifest.put_track(replace(row, spaces=spaces))
            self._manifest.put_features(one.row)
        self._library.write(records)
        self._manifest.unoptimized = True
        return failures

    def _is_ours(self, target: Target) -> bool:
        """Whether a recording is made of imported vectors alone, and its payload by an import."""
        if not target.alone or self._manifest.files_of(target.track_id):
            return False
        track = self._manifest.track(target.track_id)
        return track is not None and track.payload_digest != ""

    def _merged(self, old: TrackRecord, new: TrackRecord) -> TrackRecord:
        merged = merge(old, new, [self._space.name])
        imported = any(r.space == self._space.name for r in self._manifest.features_of(old.id))
        if new.segments or imported:
            return merged
        # The encoder of this revision made these; a vector of the whole says nothing against them.
        return replace(merged, segments=old.segments)

    def touch(self, rows: Sequence[FeatureRow]) -> None:
        """Remember files whose vectors the library has already."""
        with self._manifest.transaction():
            for row in rows:
                self._manifest.put_features(row)

    def remove(self, rows: Sequence[FeatureRow]) -> int:
        """Take out the vectors of files that are gone, and recordings that nothing is left of.

        Returns:
            How many vectors were taken out.
        """
        removed = 0
        for start in range(0, len(rows), _DELETE):
            with self._manifest.transaction():
                removed += self._remove(rows[start : start + _DELETE])
        Committer(self._library, self._manifest, self._words).sweep()
        return removed

    def _remove(self, rows: Sequence[FeatureRow]) -> int:
        for row in rows:
            self._manifest.delete_features(row.path, row.space)
        ids = dict.fromkeys(row.track_id for row in rows)
        # A file that was renamed has another row by now.
        name = self._space.name
        bare = [i for i in ids if all(r.space != name for r in self._manifest.features_of(i))]
        orphans = set(self._manifest.orphans())
        records = []
        for record in self._library.fetch_records([i for i in bare if i not in orphans]):
            empty = TrackRecord(record.id, record.payload, {})
            records.append(merge(record, empty, [name]))
            track = self._manifest.track(record.id)
            if track is not None:
                spaces = _without(track.spaces, name)
                self._manifest.put_track(replace(track, spaces=spaces))
        if records:
            self._library.write(records)
        self._manifest.unoptimized = True
        return len(bare)


def _payload(target: Target, old: TrackRecord | None, now: str) -> Payload:
    payload: dict[str, PayloadValue] = dict(target.payload)
    since = None if old is None else old.payload.get("indexed_at")
    payload["indexed_at"] = since or payload.get("indexed_at") or now
    return payload


def _without(spaces: Mapping[str, str], name: str) -> dict[str, str]:
    return {space: revision for space, revision in spaces.items() if space != name}
