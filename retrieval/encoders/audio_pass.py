"""One pass over a track's sound for every encoder at once, and their vectors from it.

``prepare_track`` is processor work on one file, in any process; ``forward_tracks`` batches the
windows of many files, in the one thread that owns the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np

from retrieval.audio import (
    SILENCE_PEAK,
    AudioReader,
    Resampler,
    SoundDigest,
    Window,
    WindowCutter,
    to_mono,
)
from retrieval.audio.decoding import Block
from retrieval.core.errors import AudioError
from retrieval.core.spaces import DenseVector, Level, check_vector
from retrieval.core.tracks import SegmentRecord, Span
from retrieval.encoders.prepared import PreparedTrack, PreparedWindows, Shelf
from retrieval.encoders.protocol import (
    AudioEncoder,
    PreparedWindow,
    TrackVectors,
    WholeTrackEncoder,
)
from retrieval.encoders.spool import Spool

__all__ = [
    "MAX_BATCH",
    "EncodedTrack",
    "PreparedTrack",
    "assemble_track",
    "forward_tracks",
    "forward_windows",
    "prepare_track",
]

MAX_BATCH = 64
"""Windows per call of ``forward_audio``."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedTrack:
    """The vectors of one track.

    Attributes:
        track_id: Identity by sound.
        duration: Seconds.
        vectors: Track vectors by space.
        segments: In order of time; spans that several spaces share are one segment.
    """

    track_id: str
    duration: float
    vectors: Mapping[str, DenseVector]
    segments: tuple[SegmentRecord, ...]


class Listener(Protocol):
    """What hears the sound beside the encoders."""

    sample_rate: int

    def push(self, block: Block, mono: DenseVector) -> None:
        """Take the next samples.

        Args:
            block: As decoded, shape (frames, channels); without frames at the end.
            mono: What of them there is at ``sample_rate``, shape (n,).
        """
        ...


def prepare_track(
    reader: AudioReader,
    encoders: Sequence[AudioEncoder],
    *,
    spool: Spool | None = None,
    heard: Callable[[float], None] | None = None,
    listener: Listener | None = None,
) -> PreparedTrack:
    """Decode once and prepare the windows of every encoder, each at its own rate.

    Args:
        reader: Read to its end; not closed.
        encoders: Audio encoders of different spaces.
        spool: Where features go, so that memory stays bounded however long the sound is; sealed by
            the caller. None keeps them all in memory.
        heard: Told the seconds of each block that was read.
        listener: Hears the same sound for other ends.

    Raises:
        AudioError: As ``AudioReader.blocks`` does, and AUDIO_SILENT if no window has sound in it.
        BusyError: DISK_FULL; see ``Spool``.
    """
    digest = SoundDigest(reader.sample_rate, reader.channels)
    whole = [_WholeLane(e, reader, spool) for e in encoders if isinstance(e, WholeTrackEncoder)]
    lanes = [_Lane(e, spool) for e in encoders if not isinstance(e, WholeTrackEncoder)]
    rates = {lane.encoder.sample_rate for lane in lanes}
    if listener is not None:
        rates.add(listener.sample_rate)
    resamplers = {rate: Resampler(reader.sample_rate, rate) for rate in rates}
    frames, audible = 0, False
    for block in reader.blocks():
        if heard is not None:
            heard(len(block) / reader.sample_rate)
        digest.update(block)
        frames += len(block)
        mono = to_mono(block)
        audible = audible or bool(np.abs(mono).max(initial=0.0) > SILENCE_PEAK)
        resampled = {rate: resampler.push(mono) for rate, resampler in resamplers.items()}
        for lane in lanes:
            lane.push(resampled[lane.encoder.sample_rate])
        for track in whole:
            track.push(mono)
        if listener is not None:
            listener.push(block, resampled[listener.sample_rate])
    if not audible:
        raise _silent(reader)
    nothing = np.empty(0, dtype=np.float32)
    rest = {rate: resampler.push(nothing, last=True) for rate, resampler in resamplers.items()}
    if listener is not None:
        listener.push(np.empty((0, reader.channels), np.float32), rest[listener.sample_rate])
    duration = frames / reader.sample_rate
    windows = {
        lane.encoder.space.name: lane.finish(rest[lane.encoder.sample_rate], duration)
        for lane in lanes
    }
    windows |= {track.encoder.space.name: track.finish(duration) for track in whole}
    windows = {space: found for space, found in windows.items() if found}
    if encoders and not windows:
        raise _silent(reader)
    return PreparedTrack(
        track_id=digest.track_id(),
        duration=duration,
        sample_rate=reader.sample_rate,
        channels=reader.channels,
        format=reader.format,
        truncated=reader.truncated,
        windows=windows,
        spool=spool,
    )


def _silent(reader: AudioReader) -> AudioError:
    return AudioError(f"{reader.name}: there is nothing but silence in it", reason="AUDIO_SILENT")


def forward_tracks(
    prepared: Sequence[PreparedTrack], encoders: Sequence[AudioEncoder]
) -> list[EncodedTrack]:
    """The vectors of prepared tracks, in order; batches cross the borders between files.

    Raises:
        InvalidInputError: INVALID_VECTOR if an encoder makes a vector that cannot be stored.
    """
    rows: list[dict[str, DenseVector]] = [{} for _ in prepared]
    for encoder in encoders:
        name = encoder.space.name
        features = (w.features for track in prepared for w in track.windows.get(name, ()))
        found = forward_windows(encoder, features)
        position = 0
        for own, track in zip(rows, prepared, strict=True):
            count = len(track.windows.get(name, ()))
            if count:
                own[name] = found[position : position + count]
            position += count
    return [assemble_track(track, own, encoders) for track, own in zip(prepared, rows, strict=True)]


def forward_windows(encoder: AudioEncoder, features: Iterable[Any]) -> DenseVector:
    """The rows of prepared windows, shape (n, width), at most ``MAX_BATCH`` in hand at a time."""
    remaining = iter(features)
    parts = []
    while batch := list(islice(remaining, MAX_BATCH)):
        parts.append(encoder.forward_audio(batch))
    return np.concatenate(parts) if parts else np.empty((0, encoder.space.dim), dtype=np.float32)


def assemble_track(
    track: PreparedTrack, rows: Mapping[str, DenseVector], encoders: Sequence[AudioEncoder]
) -> EncodedTrack:
    """The vectors of one track from the rows of all its windows.

    Args:
        track: Its features are not looked at.
        rows: By space, what ``forward_windows`` made of its windows.
        encoders: At least those of these spaces.

    Raises:
        InvalidInputError: INVALID_VECTOR if an encoder makes a vector that cannot be stored.
    """
    vectors: dict[str, DenseVector] = {}
    segments: dict[Span, dict[str, DenseVector]] = {}
    for encoder in encoders:
        space = encoder.space
        if space.name not in rows:
            continue
        found = _assemble(encoder, rows[space.name], track.windows[space.name].outline)
        if Level.TRACK in space.levels:
            check_vector(space, found.vector, where=f"track {track.track_id}")
            vectors[space.name] = found.vector
        if Level.SEGMENT in space.levels:
            for span, vector in found.segments:
                check_vector(space, vector, where=f"track {track.track_id}")
                segments.setdefault(span, {})[space.name] = vector
    return EncodedTrack(
        track_id=track.track_id,
        duration=track.duration,
        vectors=vectors,
        segments=tuple(SegmentRecord(span, segments[span]) for span in sorted(segments)),
    )


def _assemble(
    encoder: AudioEncoder, rows: DenseVector, windows: Sequence[PreparedWindow]
) -> TrackVectors:
    if isinstance(encoder, WholeTrackEncoder):
        return encoder.assemble(rows, windows)
    lengths = np.array([w.span.end - w.span.start for w in windows])
    spans = [window.span for window in windows]
    return TrackVectors(encoder.pool(rows, lengths), list(zip(spans, rows, strict=True)))


class _Lane:
    """The share in the pass of an encoder whose windows stand alone."""

    def __init__(self, encoder: AudioEncoder, spool: Spool | None) -> None:
        self.encoder = encoder
        self._shelf = Shelf(spool)
        self._cutter = WindowCutter(encoder.sample_rate, encoder.windowing)

    def push(self, samples: DenseVector) -> None:
        self._prepare(self._cutter.push(samples))

    def finish(self, samples: DenseVector, duration: float) -> PreparedWindows:
        self.push(samples)
        self._prepare(self._cutter.finish())
        return self._shelf.windows(duration)

    def _prepare(self, windows: Iterable[Window]) -> None:
        for window in windows:
            if np.abs(window.samples).max(initial=0.0) > SILENCE_PEAK:
                features = self.encoder.prepare_audio(window.samples)
                self._shelf.add(PreparedWindow(Span(window.start, window.end), features))


class _WholeLane:
    """That of an encoder that hears the whole track before it knows any window."""

    def __init__(self, encoder: WholeTrackEncoder, reader: AudioReader, spool: Spool | None):
        self.encoder = encoder
        self._shelf = Shelf(spool)
        self._intake = encoder.intake(reader.sample_rate)

    def push(self, samples: DenseVector) -> None:
        for window in self._intake.push(samples):
            self._shelf.add(window)

    def finish(self, duration: float) -> PreparedWindows:
        last, finisher = self._intake.finish()
        for window in last:
            self._shelf.add(window)
        return self._shelf.windows(duration, finisher)
