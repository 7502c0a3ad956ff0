"""One pass over files of vectors: match, read, check, write."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from indexer.features_commit import FeatureCommitter, Import
from indexer.features_match import Matcher, Target
from indexer.features_npy import Features, read_features
from indexer.features_report import FeatureTally
from indexer.features_rows import FeatureManifest, FeatureRow
from indexer.report import Failure
from indexer.scan import FoundFile, Scan, device_of, printable
from retrieval.core.errors import InvalidInputError
from retrieval.core.spaces import EmbeddingSpace, check_vector
from retrieval.core.tracks import SegmentRecord, Span
from retrieval.encoders.registry import descriptions

_BATCH = 64


class FeatureImport:
    """One pass over the files of vectors."""

    def __init__(
        self,
        *,
        committer: FeatureCommitter,
        manifest: FeatureManifest,
        matcher: Matcher,
        space: EmbeddingSpace,
        window: float | None,
        tally: FeatureTally,
    ) -> None:
        """Settle nothing yet.

        Args:
            committer: Writes.
            manifest: What is committed.
            matcher: Knows where each file belongs.
            space: Where the vectors go.
            window: As in ``FeatureOptions``.
            tally: Told about every file.
        """
        self._committer, self._manifest, self._matcher = committer, manifest, matcher
        self._space, self._window, self._tally = space, window, tally
        self._given: dict[str, tuple[str, str]] = {}
        self._batch: list[Import] = []
        self._new: dict[str, bool] = {}

    def run(self, files: Sequence[FoundFile], stop: threading.Event) -> bool:
        """Settle every file; whether that came to its end."""
        for file in files:
            if stop.is_set():
                self._flush()
                return False
            target = self._matcher.match(file)
            if isinstance(target, Failure):
                self._tally.fail(target)
            else:
                self._take(file, target)
            if len(self._batch) >= _BATCH:
                self._flush()
        self._flush()
        return not stop.is_set()

    def _take(self, file: FoundFile, target: Target) -> None:
        before = self._manifest.features(file.path, self._space.name)
        if before is not None and self._is_settled(before, file, target):
            if self._first(file, target, before.digest):
                self._tally.settle("unchanged", file.path)
            return
        try:
            features = read_features(Path(file.path))
            one = self._import(file, target, features)
        except InvalidInputError as error:
            self._tally.fail(Failure(printable(file.path), error.reason, error.message))
            return
        except OSError as error:
            message = f"cannot be read: {error.strerror or error}"
            self._tally.fail(Failure(printable(file.path), "FILE_UNREADABLE", message))
            return
        if not self._first(file, target, features.digest):
            return
        if self._has(one):
            self._committer.touch([one.row])
            self._tally.settle("unchanged", file.path)
            return
        self._new[file.path] = not any(
            row.space == self._space.name for row in self._manifest.features_of(target.track_id)
        )
        self._batch.append(one)

    def _is_settled(self, row: FeatureRow, file: FoundFile, target: Target) -> bool:
        same = (row.size, row.mtime_ns, row.track_id) == (
            file.size,
            file.mtime_ns,
            target.track_id,
        )
        return same and row.alone == target.alone and self._committer.is_current(target)

    def _has(self, one: Import) -> bool:
        """Whether the recording has this very vector, from a file of another name or time."""
        rows = self._manifest.features_of(one.target.track_id)
        known = any((r.space, r.digest) == (self._space.name, one.row.digest) for r in rows)
        # The name of a track that is known by nothing else may have changed with the file.
        return known and not one.target.alone and self._committer.is_current(one.target)

    def _first(self, file: FoundFile, target: Target, digest: str) -> bool:
        """Whether no other file has spoken for this recording in this run."""
        given = self._given.setdefault(target.track_id, (digest, file.path))
        if given[1] == file.path:
            return True
        if given[0] == digest:
            self._tally.settle("duplicates", file.path)
        else:
            message = f"its recording has another vector, from {printable(given[1])}"
            self._tally.fail(Failure(printable(file.path), "FEATURES_AMBIGUOUS", message))
        return False

    def _import(self, file: FoundFile, target: Target, features: Features) -> Import:
        rows, space = features.rows, self._space
        if rows.shape[1] != space.dim:
            raise InvalidInputError(
                f"its rows have {rows.shape[1]} values, space {space.name!r} has {space.dim}"
                + ("; rows of another model's layer cannot be searched" if len(rows) > 1 else ""),
                reason="INVALID_VECTOR",
            )
        segments: tuple[SegmentRecord, ...] = ()
        # Frames have a mean; whether it lies in the space of an encoder, nobody can tell.
        ours = any(space.name == one.name for one in descriptions())
        unsure = len(rows) > 1 and (features.windowed or (features.framed and ours))
        if unsure and self._window is None:
            raise InvalidInputError(
                f"it holds {len(rows)} rows: if each is a window's vector in space {space.name!r}, "
                "say with --window how many seconds it lasts. MERT's rows are not in CLAMP3's "
                "space, whatever their width: encode those first",
                reason="INVALID_VECTOR",
            )
        if (features.windowed or features.framed) and self._window is not None:
            spans = [Span(i * self._window, (i + 1) * self._window) for i in range(len(rows))]
            segments = tuple(
                SegmentRecord(span, {space.name: row})
                for span, row in zip(spans, rows, strict=True)
            )
        vector = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        for one in (vector, *(rows if segments else ())):
            check_vector(space, one, where="the vector")
        row = FeatureRow(
            path=file.path,
            space=space.name,
            root=file.root,
            size=file.size,
            mtime_ns=file.mtime_ns,
            digest=features.digest,
            revision=space.revision,
            track_id=target.track_id,
            alone=target.alone,
        )
        return Import(row, target, vector, segments)

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        if not batch:
            return
        failed = {failure.path: failure for failure in self._committer.put(batch)}
        for one in batch:
            failure = failed.get(printable(one.row.path))
            if failure is not None:
                self._tally.fail(failure)
            else:
                self._tally.settle("added" if self._new[one.row.path] else "updated", one.row.path)

    def settle_gone(self, found: Scan, *, prune: bool) -> None:
        """Take out the vectors whose files are gone, if that is wanted."""
        (root,) = found.roots
        known = [
            row
            for row in self._manifest.features_under(root, self._space.name)
            if row.path not in found.files and found.covers(row.path)
        ]
        before, now = self._manifest.device(root), device_of(root)
        if not found.files and known and before not in {None, now}:
            message = "empty and on another device than before: is a drive missing?"
            note = f"{message} Nothing known under it was touched."
            self._tally.note(Failure(printable(root), "ROOT_CHANGED", note))
        elif prune and known:
            self._tally.removed = self._committer.remove(known)
        if found.files and now is not None:
            self._manifest.set_device(root, now)
