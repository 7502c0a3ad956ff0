"""Chords as BTC and the MIR field at large write them: ``<start> <end> <label>`` per line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from indexer.formats.chord_names import normal_chord
from indexer.formats.chords import ChordSpan, ChordTrack
from indexer.formats.files import MAX_SECONDS, bad, parse_row, plain, read_lines

# Tools round their times: neighbours may overlap by so many seconds.
_SLACK = 0.05


def _chord(label: str) -> str:
    name = normal_chord(label)
    if name is None:
        raise ValueError(f"{label[:40]!r} is no chord")
    return name


Seconds = Annotated[float, Field(ge=0.0, le=MAX_SECONDS, allow_inf_nan=False)]
Chord = Annotated[str, AfterValidator(_chord)]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)

    start: Seconds
    end: Seconds
    chord: Chord

    @model_validator(mode="after")
    def _forward(self) -> _Row:
        if self.end < self.start:
            raise ValueError("the chord ends before it starts")
        return self


_ROW = TypeAdapter(_Row)


def read(path: Path) -> ChordTrack:
    """Read one file.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE, with the file and the line.
    """
    rows: list[tuple[int, object]] = []
    for number, words in read_lines(path):
        if len(words) != len(_Row.model_fields):
            raise bad(path, "a line is to be '<start> <end> <chord>'", number)
        rows.append((number, dict(zip(_Row.model_fields, words, strict=True))))
    return ChordTrack(read_spans(path, rows))


def read_spans(path: Path, rows: Sequence[tuple[int, object]]) -> tuple[ChordSpan, ...]:
    """Rows of ``start``, ``end`` and ``chord`` as spans in order of time; empty ones are left out.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE, with the file and the line.
    """
    spans: list[ChordSpan] = []
    for line, values in rows:
        row = parse_row(path, line, _ROW, values)
        before = spans[-1].end if spans else 0.0
        if row.start < before - _SLACK:
            raise bad(path, f"this chord starts at {row.start:g} s, inside the one before", line)
        start = max(row.start, before)
        if row.end > start:
            spans.append(ChordSpan(start, row.end, row.chord))
    if not spans:
        raise bad(path, "there is no chord in it")
    return tuple(spans)


def to_text(track: ChordTrack) -> str:
    """The file of a track."""
    return "".join(f"{plain(s.start)} {plain(s.end)} {s.name}\n" for s in track.spans)
