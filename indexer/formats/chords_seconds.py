"""Chords at 1 Hz: an optional line ``key C major``, then ``<second> <name>`` per second."""

from __future__ import annotations

from pathlib import Path

from indexer.formats.chord_names import normal_chord
from indexer.formats.chords import ChordTrack, spans_of_seconds
from indexer.formats.files import bad, read_lines, read_seconds

_KEY_WORDS = 4


def read(path: Path) -> ChordTrack:
    """Read one file.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE, with the file and the line.
    """
    lines = read_lines(path)
    key = None
    if lines[0][1][0].lower() == "key":
        number, words = lines.pop(0)
        if not 2 <= len(words) <= _KEY_WORDS or not all(word.isprintable() for word in words):
            raise bad(path, "the key is to be one like 'key C major'", number)
        key = " ".join(words[1:])
    if not lines:
        raise bad(path, "there is no chord in it")

    def name(line: int, words: list[str]) -> str:
        found = normal_chord(words[0]) if len(words) == 1 else None
        if found is None:
            raise bad(path, f"{' '.join(words)[:40]!r} is no chord", line)
        return found

    return ChordTrack(spans_of_seconds(read_seconds(path, lines, name)), key)


def to_text(track: ChordTrack) -> str:
    """The file of a track, each second with the chord that fills most of it."""
    head = [f"key {track.key}"] if track.key else []
    rows = [f"{second} {name}" for second, name in enumerate(track.by_second())]
    return "\n".join([*head, *rows]) + "\n"
