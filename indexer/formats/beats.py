"""Beats: ``<seconds><tab><number>`` per line, 1 being a downbeat and 0 a beat of unknown place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from indexer.formats.chords_intervals import Seconds
from indexer.formats.files import bad, parse_row, plain, read_lines

_MOST = 64
"""Beats in a bar."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)

    time: Seconds
    number: Annotated[int, Field(ge=0, le=_MOST)] = 0


_ROW = TypeAdapter(_Row)


@dataclass(frozen=True, slots=True)
class BeatTrack:
    """The beats of one recording.

    Attributes:
        times: Seconds, rising.
        numbers: Place of each in its bar, 1 being the downbeat; 0 where it is not known.
    """

    times: tuple[float, ...]
    numbers: tuple[int, ...]

    @property
    def downbeats(self) -> tuple[float, ...]:
        """Seconds of those that begin a bar."""
        pairs = zip(self.times, self.numbers, strict=True)
        return tuple(time for time, number in pairs if number == 1)


def number_beats(times: tuple[float, ...], downbeats: tuple[float, ...]) -> BeatTrack:
    """Count beats from each downbeat on; those before the first have no place yet."""
    count, numbers = 0, []
    firsts = frozenset(downbeats)
    for time in times:
        count = 1 if time in firsts else count + 1 if 0 < count < _MOST else 0
        numbers.append(count)
    return BeatTrack(times, tuple(numbers))


def read(path: Path) -> BeatTrack:
    """Read one file.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE, with the file and the line.
    """
    times: list[float] = []
    numbers: list[int] = []
    for line, words in read_lines(path):
        if len(words) > len(_Row.model_fields):
            raise bad(path, "a line is to be '<seconds> <number in the bar>'", line)
        row = parse_row(path, line, _ROW, dict(zip(_Row.model_fields, words, strict=False)))
        if times and row.time <= times[-1]:
            raise bad(path, "this beat is not after the one before", line)
        times.append(row.time)
        numbers.append(row.number)
    return BeatTrack(tuple(times), tuple(numbers))


def to_text(track: BeatTrack) -> str:
    """The file of a track."""
    pairs = zip(track.times, track.numbers, strict=True)
    return "".join(f"{plain(time)}\t{number}\n" for time, number in pairs)
