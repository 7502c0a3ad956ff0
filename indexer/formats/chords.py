"""Chord labels over time, and the three kinds of files that they come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.formats.chord_names import NO_CHORD


@dataclass(frozen=True, slots=True)
class ChordSpan:
    """One chord.

    Attributes:
        start: Seconds.
        end: Seconds, after ``start``.
        name: As ``chord_names.normal_chord`` spells it.
    """

    start: float
    end: float
    name: str


@dataclass(frozen=True, slots=True)
class ChordTrack:
    """The chords of one recording.

    Attributes:
        spans: In order of time, none overlapping.
        key: What the file says the key is, such as ``C major``, or None.
    """

    spans: tuple[ChordSpan, ...]
    key: str | None = None

    @property
    def missing(self) -> bool:
        """Whether there is no chord at all: a recognition that failed, not music without chords."""
        return all(span.name == NO_CHORD for span in self.spans)

    def by_second(self) -> list[str]:
        """The name that fills most of each second, from 0 to the end of the last span."""
        shares: list[Counter[str]] = []
        for span in self.spans:
            while len(shares) < span.end:
                shares.append(Counter())
            for second in range(int(span.start), len(shares)):
                share = min(span.end, second + 1) - max(span.start, second)
                if share > 0:
                    shares[second][span.name] += share  # type: ignore[assignment] # a Counter of float
        return [c.most_common(1)[0][0] if c else NO_CHORD for c in shares]


def spans_of_seconds(names: Sequence[str]) -> tuple[ChordSpan, ...]:
    """One name per second as spans, equal neighbours joined."""
    spans: list[ChordSpan] = []
    for second, name in enumerate(names):
        if spans and spans[-1].name == name:
            spans[-1] = ChordSpan(spans[-1].start, second + 1.0, name)
        else:
            spans.append(ChordSpan(float(second), second + 1.0, name))
    return tuple(spans)


def read_chords(path: Path) -> ChordTrack:
    """Chords in whichever of the three formats the file is.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE, with the file and the line.
    """
    from indexer.formats import chords_intervals, chords_omnizart, chords_seconds
    from indexer.formats.files import read_lines

    if path.suffix.lower() == ".csv":
        return chords_omnizart.read(path)
    words = [words for _, words in read_lines(path)[:2]]
    if words[0][0].lower() == "key" or all(len(one) == 2 for one in words):
        return chords_seconds.read(path)
    return chords_intervals.read(path)
