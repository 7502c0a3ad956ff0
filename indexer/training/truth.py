"""What is true of ten seconds of training sound, from its notes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer.training.compose import Song
from indexer.training.palette import TIMBRES

_HEARD = 0.05
"""Share of all that sounds, by length and loudness, from which an instrument is heard."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a window; None, or empty, where its source does not tell.

    Attributes:
        song: Which song it was cut from; windows of one song share it.
        kind: One of ``compose.KINDS``, or ``"sound"`` where there is no music.
        genre: Name in ``grooves``.
        instruments: Those that are heard, the most prominent first; drums among them.
        lead: Who plays the tune.
        sounds: Names in ``nonmusic.SOUNDS`` that are heard.
        tempo: Beats per minute.
        beats: Beats of a bar.
        tonic: Pitch class, 0 is C.
        mode: Name in ``harmony.SCALES``.
        density: Pitched notes that start, a second; chords count once.
        strokes: Drum strokes a second.
        register: Mean MIDI pitch of what is pitched.
        velocity: Mean MIDI velocity.
        held: Mean length of the tune's notes over the time to the next one.
        room: Reverberation, 0..1.
        brightness: Spectral centroid before any effect, Hz.
    """

    song: str
    kind: str
    genre: str | None = None
    instruments: tuple[str, ...] = ()
    lead: str | None = None
    sounds: tuple[str, ...] = ()
    tempo: float | None = None
    beats: int | None = None
    tonic: int | None = None
    mode: str | None = None
    density: float | None = None
    strokes: float | None = None
    register: float | None = None
    velocity: float | None = None
    held: float | None = None
    room: float | None = None
    brightness: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Truth:
        """The truth that ``as_dict`` wrote."""
        lists = {name: tuple(value[name]) for name in ("instruments", "sounds")}
        return cls(**{**value, **lists})


def truth_of(song: Song, name: str, start: float, end: float, brightness: float) -> Truth:
    """What is true of a song between two moments.

    Args:
        song: The song.
        name: What its windows share.
        start: Seconds.
        end: Seconds.
        brightness: Hz, as measured on the rendering.
    """
    shares: dict[str, float] = defaultdict(float)
    onsets: set[int] = set()
    pitches: list[int] = []
    velocities: list[int] = []
    strokes = 0
    for voice in song.voices:
        heard = [note for note in voice.line if note.start < end and note.end > start]
        held = voice.timbre == "drums" or TIMBRES[voice.timbre].held
        for note in heard:
            # What dies away does so in about a second, whatever its length on paper.
            length = min(note.end, end) - max(note.start, start)
            sounding = length if held and voice.timbre != "drums" else min(length + 0.3, 1.0)
            shares[voice.timbre] += (
                sounding * (note.velocity / 127) ** 2 * (voice.volume / 127) ** 2
            )
            if note.start < start:
                continue
            velocities.append(note.velocity)
            if voice.timbre == "drums":
                strokes += 1
            else:
                pitches.append(note.pitch)
                onsets.add(round(note.start * 20))
    total = sum(shares.values()) or 1.0
    ordered = sorted(shares, key=lambda timbre: -shares[timbre])
    seconds = end - start
    lead = next((v for v in song.voices if v.role == "melody" and v.timbre in shares), None)
    return Truth(
        song=name,
        kind=song.kind,
        genre=song.genre,
        instruments=tuple(t for t in ordered if shares[t] / total >= _HEARD or t == "drums"),
        lead=lead.timbre if lead is not None else None,
        tempo=song.tempo,
        beats=song.beats,
        tonic=song.tonic if song.mode is not None else None,
        mode=song.mode,
        density=len(onsets) / seconds,
        strokes=strokes / seconds,
        register=float(np.mean(pitches)) if pitches else None,
        velocity=float(np.mean(velocities)) if velocities else None,
        held=_held(lead.line, start, end) if lead is not None else None,
        room=song.room,
        brightness=brightness,
    )


def _held(line: tuple[Any, ...], start: float, end: float) -> float | None:
    ratios = [
        min(1.0, (note.end - note.start) / (after.start - note.start))
        for note, after in pairwise(line)
        if start <= note.start < end and after.start > note.start + 0.02
    ]
    return float(np.mean(ratios)) if ratios else None


def centroid(sound: NDArray[np.float32], rate: int) -> float:
    """The mean frequency of a sound, weighted by magnitude, Hz."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, 2_048)[::2_048]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(2_048), axis=1)).mean(axis=0)
    hertz = np.linspace(0, rate / 2, len(spectrum))
    return float((spectrum * hertz).sum() / max(1e-9, float(spectrum.sum())))
