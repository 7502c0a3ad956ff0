"""Writing to the library and then committing the manifest, in this order and batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from indexer.describing import Described
from indexer.manifest import Manifest
from indexer.rows import FileRow, TrackRow, compose, payload_digest
from indexer.tagging_labels import TAGGED_BY
from indexer.tagging_scores import Tagger, without_tags
from retrieval.core.errors import InvalidInputError
from retrieval.core.library import LibraryWriter, RecordReader, SeriesLibrary
from retrieval.core.payload import Payload
from retrieval.core.spaces import Vector
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord, TrackUpdate
from retrieval.encoders.audio_pass import EncodedTrack
from retrieval.encoders.protocol import WordsEncoder

_DELETE = 256


class Outcome(Enum):
    """What became of a file; see ``IndexReport``."""

    INDEXED = "indexed"
    UNCHANGED = "unchanged"
    UPDATED = "updated"
    DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A recording to write.

    Attributes:
        encoded: Its new vectors.
        computed: Payload fields that follow from the sound.
        spaces: Revision by space of every audio space that was encoded, also of those in which the
            recording has no vector because it is silent there.
    """

    encoded: EncodedTrack
    computed: Payload
    spaces: Mapping[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Put:
    """A file that is there, with its recording and what was told of it, if that is new."""

    row: FileRow
    recording: Encoded | None = None
    described: Described | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """A file that is not there any more: to be forgotten, or only marked as missing."""

    path: str
    forget: bool


Change = Put | Gone


@dataclass(frozen=True, slots=True)
class Done:
    """What a batch of changes did.

    Attributes:
        outcomes: By path, of every ``Put``.
        refused: Reason and message by path, of every ``Put`` that the library did not take.
    """

    outcomes: Mapping[str, Outcome]
    refused: Mapping[str, tuple[str, str]]


class Committer:
    """Applies changes; used by one thread at a time."""

    def __init__(
        self,
        library: LibraryWriter,
        manifest: Manifest,
        words: Sequence[WordsEncoder],
        tagger: Tagger | None = None,
    ) -> None:
        self._library = library
        self._manifest = manifest
        self._words = words
        self._tagger = tagger
        self._words_spaces = {e.space.name: e.space.revision for e in words}

    def apply(self, changes: Sequence[Change]) -> Done:
        """Write the changes to the library, then commit them to the manifest.

        Raises:
            SegueError: The library is gone; nothing of the batch is committed then.
        """
        try:
            with self._manifest.transaction():
                return self._apply(changes)
        except InvalidInputError as error:
            if len(changes) == 1 and isinstance(changes[0], Put):
                return Done({}, {changes[0].row.path: (error.reason, error.message)})
            if len(changes) <= 1:
                raise
        # One record that the library refuses must not hold up the others.
        parts = [self.apply([change]) for change in changes]
        return Done(
            {path: outcome for part in parts for path, outcome in part.outcomes.items()},
            {path: why for part in parts for path, why in part.refused.items()},
        )

    def _apply(self, changes: Sequence[Change]) -> Done:
        manifest = self._manifest
        recordings: dict[str, Encoded] = {}
        described: dict[str, Described] = {}
        touched: dict[str, None] = {}
        outcomes: dict[str, Outcome] = {}
        for change in changes:
            path = change.row.path if isinstance(change, Put) else change.path
            before = manifest.file(path)
            if before is not None:
                touched[before.track_id] = None
            if isinstance(change, Put):
                outcomes[path] = self._outcome(change, before)
                touched[change.row.track_id] = None
                if change.recording is not None:
                    recordings[change.row.track_id] = change.recording
                if change.described is not None:
                    described[change.row.track_id] = change.described
                manifest.put_file(change.row)
            elif before is not None and change.forget:
                manifest.delete_file(path)
            elif before is not None:
                manifest.put_file(replace(before, missing=True))
        self._write(recordings, described)
        self._describe({i: one for i, one in described.items() if i not in recordings})
        self._keep_series(described)
        self._update([track_id for track_id in touched if track_id not in recordings])
        return Done(outcomes, {})

    def sweep(self) -> int:
        """Delete the recordings that no file is left for; returns how many.

        Only at the end of a run: until then a file may turn up that holds one of them, as when two
        files have swapped their names.
        """
        with self._manifest.transaction():
            orphans = self._manifest.orphans()
            for start in range(0, len(orphans), _DELETE):
                self._library.delete_tracks(orphans[start : start + _DELETE])
            self._manifest.delete_tracks(orphans)
            if orphans:
                self._manifest.unoptimized = True
        return len(orphans)

    def _outcome(self, change: Put, before: FileRow | None) -> Outcome:
        row = change.row
        if before is not None:
            as_read = replace(before, size=row.size, mtime_ns=row.mtime_ns, missing=False)
            current = self._words_are_current(row.track_id)
            same = replace(as_read, tags_revision=row.tags_revision) == row and current
            is_news = change.recording is not None or change.described is not None
            return Outcome.UNCHANGED if same and not is_news else Outcome.UPDATED
        if change.recording is not None and self._manifest.track(row.track_id) is None:
            return Outcome.INDEXED
        others = (other for other in self._manifest.files_of(row.track_id))
        if any(other.path != row.path and Path(other.path).exists() for other in others):
            return Outcome.DUPLICATE
        return Outcome.UPDATED

    def _words_are_current(self, track_id: str) -> bool:
        track = self._manifest.track(track_id)
        return track is not None and self._words_spaces.items() <= track.spaces.items()

    def _keep_series(self, described: Mapping[str, Described]) -> None:
        if isinstance(self._library, SeriesLibrary):
            for track_id, one in described.items():
                if one.names:
                    self._library.write_series(track_id, one.series, replacing=one.names)

    def _describe(self, described: Mapping[str, Described]) -> None:
        """Remember what was told of recordings whose vectors stay; ``_update`` then writes it."""
        for track_id, one in described.items():
            row = self._manifest.track(track_id)
            if row is not None:
                versions = {**row.described, **one.versions}
                computed = one.applied(row.computed)
                self._manifest.put_track(replace(row, computed=computed, described=versions))

    def _write(self, recordings: Mapping[str, Encoded], described: Mapping[str, Described]) -> None:
        """Write recordings that were encoded just now, whole."""
        if not recordings:
            return
        ids = list(recordings)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        # A library that outlived its manifest knows when a track was first written.
        since = {t.id: str(t.payload.get("indexed_at", now)) for t in self._library.fetch(ids)}
        known = {i: row for i in ids if (row := self._manifest.track(i)) is not None}
        # With a recording that has vectors in other spaces already, those must be kept.
        kept = self._records([i for i in known if not self._covers(recordings[i], known[i])])
        records: list[TrackRecord] = []
        for track_id, recording in recordings.items():
            old_row, old_record = known.get(track_id), kept.get(track_id)
            facts = described.get(track_id)
            versions: Mapping[str, int] = {} if facts is None else facts.versions
            spaces = dict(recording.spaces) | self._words_spaces
            computed = recording.computed
            vectors: dict[str, Vector] = dict(recording.encoded.vectors)
            if old_row is not None:
                versions = {**old_row.described, **versions}
                computed = {**without_tags(old_row.computed), **computed}
            if old_row is not None and old_record is not None:
                spaces = dict(old_row.spaces) | spaces
                computed = {**old_row.computed, **computed}
                others = set(old_record.vectors) - set(recording.spaces)
                vectors |= {name: old_record.vectors[name] for name in others}
            computed = self._tagged(computed, vectors)
            if facts is not None:
                computed = facts.applied(computed)
            row = TrackRow(
                track_id, computed, since.get(track_id, now), spaces=spaces, described=versions
            )
            payload = compose(row, self._manifest.files_of(track_id))
            record = TrackRecord(
                track_id,
                payload,
                dict(recording.encoded.vectors) | self._word_vectors(payload),
                recording.encoded.segments,
            )
            if old_record is not None:
                record = merge(old_record, record, recording.spaces)
            records.append(record)
            self._manifest.put_track(replace(row, payload_digest=payload_digest(payload)))
        self._library.write(records)
        self._manifest.unoptimized = True

    def _update(self, track_ids: Sequence[str]) -> None:
        """Bring the payload of tracks in step with their files."""
        updates: list[TrackUpdate] = []
        for track_id in track_ids:
            track, files = self._manifest.track(track_id), self._manifest.files_of(track_id)
            if not files:
                continue
            if track is None:
                raise InvalidInputError(f"the library did not take the recording {track_id}")
            payload = compose(track, files)
            digest = payload_digest(payload)
            if digest == track.payload_digest and self._words_are_current(track_id):
                continue
            updates.append(TrackUpdate(track_id, payload, self._word_vectors(payload)))
            spaces = dict(track.spaces) | self._words_spaces
            self._manifest.put_track(replace(track, payload_digest=digest, spaces=spaces))
        if updates:
            self._library.update(updates)
            self._manifest.unoptimized = True

    def _tagged(self, computed: Payload, vectors: Mapping[str, Vector]) -> Payload:
        """What is computed of a recording, with the tags that its vectors call for."""
        if self._tagger is not None:
            return {**without_tags(computed), **self._tagger.payloads([vectors])[0]}
        # Earlier tags stay; without this field they are told anew when tagging goes on.
        return {name: value for name, value in computed.items() if name != TAGGED_BY.name}

    def _covers(self, recording: Encoded, row: TrackRow) -> bool:
        return set(row.spaces) <= {*recording.spaces, *self._words_spaces}

    def _records(self, track_ids: Sequence[str]) -> dict[str, TrackRecord]:
        if not track_ids or not isinstance(self._library, RecordReader):
            return {}
        return {record.id: record for record in self._library.fetch_records(track_ids)}

    def _word_vectors(self, payload: Payload) -> dict[str, Vector]:
        return {encoder.space.name: encoder.encode_words(payload) for encoder in self._words}


def merge(old: TrackRecord, new: TrackRecord, spaces: Iterable[str]) -> TrackRecord:
    """The new record, with what the old one has in spaces that were not encoded again."""
    encoded = set(spaces)
    vectors = {s: v for s, v in old.vectors.items() if s not in encoded} | dict(new.vectors)
    by_span: dict[Span, dict[str, Vector]] = {}
    for segment in old.segments:
        rest = {s: v for s, v in segment.vectors.items() if s not in encoded}
        if rest:
            by_span[segment.span] = rest
    for segment in new.segments:
        by_span.setdefault(segment.span, {}).update(segment.vectors)
    segments = tuple(SegmentRecord(span, by_span[span]) for span in sorted(by_span))
    return TrackRecord(new.id, new.payload, vectors, segments)
