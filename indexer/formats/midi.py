"""Notes in Standard MIDI Files, by mido."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from indexer.features_npy import open_regular
from indexer.formats.files import MAX_BYTES, MAX_SECONDS, bad
from retrieval.core.errors import InvalidInputError

_BEAT = 480
"""Ticks per beat; at 120 beats per minute a tick is about a millisecond."""
_PER_SECOND = 2 * _BEAT
_VELOCITY = 80


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One note.

    Attributes:
        start: Seconds.
        end: Seconds, not before ``start``.
        pitch: MIDI number, 0 to 127.
    """

    start: float
    end: float
    pitch: int


def to_bytes(notes: Sequence[Note], duration: float) -> bytes:
    """The file of notes, as long as the sound they are of.

    Args:
        notes: In any order.
        duration: Seconds.
    """
    import mido

    # Of a tick, ends before starts, so that a pitch can be struck again.
    events = sorted(
        event
        for note in notes
        for event in (
            (round(note.start * _PER_SECOND), 1, note.pitch),
            (
                max(round(note.end * _PER_SECOND), round(note.start * _PER_SECOND) + 1),
                0,
                note.pitch,
            ),
        )
    )
    track = mido.MidiTrack()
    now = 0
    for tick, starts, pitch in events:
        kind = "note_on" if starts else "note_off"
        track.append(mido.Message(kind, note=pitch, velocity=_VELOCITY, time=tick - now))
        now = tick
    end = max(now, round(duration * _PER_SECOND))
    track.append(mido.MetaMessage("end_of_track", time=end - now))
    buffer = io.BytesIO()
    mido.MidiFile(ticks_per_beat=_BEAT, tracks=[track]).save(file=buffer)
    return buffer.getvalue()


def read(path: Path) -> tuple[list[Note], float]:
    """Notes in order of time, drums included, and the length of the file in seconds.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE, with the file.
    """
    import mido

    try:
        with open_regular(path, MAX_BYTES) as stream:
            data = io.BytesIO(stream.read(MAX_BYTES))
    except InvalidInputError as error:
        raise bad(path, error.message) from error
    except OSError as error:
        raise bad(path, f"cannot be read: {error.strerror or error}") from error
    notes: list[Note] = []
    sounding: dict[tuple[int, int], float] = {}
    now = 0.0
    try:
        for message in mido.MidiFile(file=data):
            now += message.time
            if not math.isfinite(now) or now > MAX_SECONDS:
                raise ValueError("longer than a week")
            if message.type not in {"note_on", "note_off"}:
                continue
            place = (message.channel, message.note)
            if place in sounding:
                notes.append(Note(sounding.pop(place), now, message.note))
            if message.type == "note_on" and message.velocity > 0:
                sounding[place] = now
    except Exception as error:  # The parser raises whatever a hostile file makes it stumble on.
        raise bad(path, f"not a MIDI file ({error or type(error).__name__})") from error
    notes.extend(Note(start, now, pitch) for (_, pitch), start in sounding.items())
    return sorted(notes), now
