"""Chords as Omnizart writes them: CSV with columns Chord, Start and End, in any letter case."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from indexer.formats.chords import ChordTrack
from indexer.formats.chords_intervals import read_spans
from indexer.formats.files import bad, plain, read_text

_COLUMNS = ("chord", "start", "end")


def read(path: Path) -> ChordTrack:
    """Read one file.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE, with the file and the line.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    rows: list[tuple[int, object]] = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if any(header.count(name) != 1 for name in _COLUMNS):
            raise bad(path, "its first line is to name the columns Chord, Start and End", 1)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                values = dict(zip(header, (cell.strip() for cell in cells), strict=False))
                rows.append((reader.line_num, values))
    except csv.Error as error:
        raise bad(path, f"not CSV: {error}", reader.line_num) from error
    return ChordTrack(read_spans(path, rows))


def to_text(track: ChordTrack) -> str:
    """The file of a track."""
    rows = (f"{s.name},{plain(s.start)},{plain(s.end)}\n" for s in track.spans)
    return "Chord,Start,End\n" + "".join(rows)
