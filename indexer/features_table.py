"""``segue export --format parquet``: one row per track or segment, one column per field and space.

Needs PyArrow (``segue[parquet]``), which is imported when an export begins.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexer.features_export import ExportOptions, Progress, exported_spaces, read_records, walk
from indexer.features_npy import raise_if_full
from indexer.stopping import stopping_on_signals
from retrieval.core.errors import InvalidInputError, PreconditionError, StoreError
from retrieval.core.library import LibraryReader
from retrieval.core.payload import FieldType, PayloadValue, parse_datetime
from retrieval.core.spaces import EmbeddingSpace, Level, Vector
from retrieval.core.tracks import LibraryInfo, TrackRecord

ROWS = 1_000
"""Rows of a row group, which is what is held in memory."""

TRACK, START, END = "track", "start", "end"
_LISTS = frozenset({"paths", "genre"})


@dataclass(frozen=True, slots=True)
class TableReport:
    """What an export did.

    Attributes:
        file: The table.
        tracks: Tracks in it.
        rows: Rows in it; those of segments where these were wanted.
        spaces: Names of the columns with vectors.
        interrupted: The export was stopped before its end, and there is no table.
    """

    file: str
    tracks: int
    rows: int
    spaces: tuple[str, ...]
    interrupted: bool

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of ``segue export --format parquet --json``."""
        return {
            "file": self.file,
            "tracks": self.tracks,
            "rows": self.rows,
            "spaces": list(self.spaces),
        }


def export_table(
    library: LibraryReader,
    path: Path,
    options: ExportOptions,
    *,
    segments: bool = False,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> TableReport:
    """Write a Parquet file: whole, or not at all.

    Columns: ``track``; with segments ``start`` and ``end`` in seconds; the payload fields that any
    track has, a list where any has several values (``payload.NAME`` if the name is taken); and
    ``list<float>`` by name of the space, null where there is no vector. The file's metadata has the
    spaces with their revisions under ``segue``.

    Args:
        library: What to export.
        path: The file; it must not be there, unless it is to be replaced.
        options: As for ``export_features``.
        segments: One row per segment instead of per track.
        progress: Called as the work goes on.
        stop: Set it from another thread to end the run as Ctrl-C does.

    Raises:
        PreconditionError: SPACE_UNAVAILABLE, or UNIMPLEMENTED if PyArrow is not installed or the
            library gives no vectors.
        InvalidInputError: The file is there, or cannot be written.
        BusyError: DISK_FULL.
    """
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise PreconditionError(
            "Parquet needs one more package: pip install 'segue[parquet]'",
            reason="UNIMPLEMENTED",
            metadata={"extra": "parquet"},
        ) from error
    if path.exists() and not options.overwrite:
        raise InvalidInputError(f"{path}: there is a file already; --overwrite replaces it")
    stop = stop or threading.Event()
    part = path.with_name(f".{path.name}.part")
    tracks = rows = 0
    with stopping_on_signals(stop):
        info = library.info()
        level = Level.SEGMENT if segments else Level.TRACK
        spaces = tuple(s for s in exported_spaces(info, options.spaces) if level in s.levels)
        if not spaces:
            raise PreconditionError("none of these spaces holds segments; leave --segments out")
        ids, lists = _survey(library, options, stop)
        columns = _Columns(info, spaces, lists, segments=segments)
        schema = columns.schema(arrow)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with parquet.ParquetWriter(part, schema, compression="zstd") as writer:
                held: list[dict[str, Any]] = []
                for record in read_records(library, ids, stop):
                    held.extend(columns.rows(record))
                    tracks += 1
                    while len(held) >= ROWS:
                        writer.write_table(arrow.Table.from_pylist(held[:ROWS], schema))
                        rows += ROWS
                        del held[:ROWS]
                    if progress is not None:
                        progress(tracks, len(ids))
                writer.write_table(arrow.Table.from_pylist(held, schema))
                rows += len(held)
            if not stop.is_set():
                part.replace(path)
        except OSError as error:
            raise_if_full(error, path)
            raise InvalidInputError(f"{path}: cannot be written: {error}") from error
        finally:
            part.unlink(missing_ok=True)
    return TableReport(str(path), tracks, rows, tuple(s.name for s in spaces), stop.is_set())


def _survey(
    library: LibraryReader, options: ExportOptions, stop: threading.Event
) -> tuple[list[str], dict[str, bool]]:
    """The ids of the tracks, and for each field that occurs whether it takes a list."""
    ids: list[str] = []
    lists: dict[str, bool] = {}
    for track in walk(library, options.filter, stop):
        ids.append(track.id)
        for name, value in track.payload.items():
            several = name in _LISTS or isinstance(value, tuple)
            lists[name] = lists.get(name, False) or several
    return ids, lists


class _Columns:
    """The columns of a table, and rows of them."""

    def __init__(
        self,
        info: LibraryInfo,
        spaces: Sequence[EmbeddingSpace],
        lists: dict[str, bool],
        *,
        segments: bool,
    ) -> None:
        self._spaces, self._lists, self._segments = spaces, lists, segments
        taken = {TRACK, START, END, *(space.name for space in spaces)}
        # In the library's order of fields; one that is new since then waits for the next export.
        self._fields = {
            name: (f"payload.{name}" if name in taken else name, one.type)
            for name, one in info.fields.items()
            if name in lists
        }

    def schema(self, arrow: Any) -> Any:
        """The schema, with the spaces in its metadata."""
        kinds = {
            FieldType.KEYWORD: arrow.string(),
            FieldType.TEXT: arrow.string(),
            FieldType.INTEGER: arrow.int64(),
            FieldType.FLOAT: arrow.float64(),
            FieldType.BOOLEAN: arrow.bool_(),
            FieldType.DATETIME: arrow.timestamp("us", tz="UTC"),
        }
        spans = [(START, arrow.float64()), (END, arrow.float64())] if self._segments else []
        fields = [
            (column, arrow.list_(kinds[kind]) if self._lists[name] else kinds[kind])
            for name, (column, kind) in self._fields.items()
        ]
        vectors = [(space.name, arrow.list_(arrow.float32())) for space in self._spaces]
        described = {
            s.name: {"revision": s.revision, "dim": s.dim, "distance": s.distance.value}
            for s in self._spaces
        }
        schema = arrow.schema([(TRACK, arrow.string()), *spans, *fields, *vectors])
        return schema.with_metadata({"segue": json.dumps({"spaces": described})})

    def rows(self, record: TrackRecord) -> Iterator[dict[str, Any]]:
        """The rows of a track."""
        own = {TRACK: record.id} | {
            column: self._cell(name, kind, record.payload[name])
            for name, (column, kind) in self._fields.items()
            if name in record.payload
        }
        if not self._segments:
            yield own | self._vectors(record.vectors.items())
            return
        for segment in record.segments:
            span = {START: segment.span.start, END: segment.span.end}
            vectors = self._vectors(segment.vectors.items())
            if vectors:
                yield own | span | vectors

    def _vectors(self, vectors: Iterable[tuple[str, Vector]]) -> dict[str, Any]:
        wanted = {space.name for space in self._spaces}
        return {name: vector for name, vector in vectors if name in wanted}

    def _cell(self, name: str, kind: FieldType, value: PayloadValue) -> Any:
        values = value if isinstance(value, tuple) else (value,)
        cells = [parse_datetime(str(v)) if kind is FieldType.DATETIME else v for v in values]
        if self._lists[name]:
            return cells
        if len(cells) != 1:
            raise StoreError(f"field {name!r} was changed while it was exported; export again")
        return cells[0]
