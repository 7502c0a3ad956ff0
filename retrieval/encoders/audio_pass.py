"""One pass over a track's sound for every encoder at once, and their vectors from it.

``prepare_track`` is processor work on one file, in any process; ``forward_tracks`` batches the
windows of many files, in the one thread that owns the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

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
from retrieval.core.errors import AudioError
from retrieval.core.spaces import DenseVector, Level, check_vector
from retrieval.core.tracks import SegmentRecord, Span
from retrieval.encoders.protocol import (
    AudioEncoder,
    PreparedWindow,
    TrackVectors,
    WholeTrackEncoder,
)

MAX_BATCH = 64
"""Windows per call of ``forward_audio``."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedTrack:
    """What is left of a file once it has been decoded; small, and may cross processes.

    Attributes:
        track_id: Identity by sound.
        duration: Seconds of sound that were decoded.
        sample_rate: Hz, of the file.
        channels: Of the file.
        format: Container of the file.
        truncated: Whether parts of the file were missing or damaged.
        windows: By space; silent windows are left out (a whole-track encoder decides for itself),
            and a space without any is absent.
    """

    track_id: str
    duration: float
    sample_rate: int
    channels: int
    format: str
    truncated: bool
    windows: Mapping[str, tuple[PreparedWindow, ...]]


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


def prepare_track(reader: AudioReader, encoders: Sequence[AudioEncoder]) -> PreparedTrack:
    """Decode once and prepare the windows of every encoder, each at its own rate.

    Args:
        reader: Read to its end; not closed.
        encoders: Audio encoders of different spaces.

    Raises:
        AudioError: As ``AudioReader.blocks`` does, and AUDIO_SILENT if no window has sound in it.
    """
    digest = SoundDigest(reader.sample_rate, reader.channels)
    whole = [encoder for encoder in encoders if isinstance(encoder, WholeTrackEncoder)]
    intakes = {encoder.space.name: encoder.intake(reader.sample_rate) for encoder in whole}
    lanes = [_Lane(encoder) for encoder in encoders if encoder not in whole]
    rates = {lane.encoder.sample_rate for lane in lanes}
    resamplers = {rate: Resampler(reader.sample_rate, rate) for rate in rates}
    frames, audible = 0, False
    for block in reader.blocks():
        digest.update(block)
        frames += len(block)
        mono = to_mono(block)
        audible = audible or bool(np.abs(mono).max(initial=0.0) > SILENCE_PEAK)
        resampled = {rate: resampler.push(mono) for rate, resampler in resamplers.items()}
        for lane in lanes:
            lane.push(resampled[lane.encoder.sample_rate])
        for intake in intakes.values():
            intake.push(mono)
    nothing = np.empty(0, dtype=np.float32)
    rest = {rate: resampler.push(nothing, last=True) for rate, resampler in resamplers.items()}
    duration = frames / reader.sample_rate
    for lane in lanes:
        lane.finish(rest[lane.encoder.sample_rate], duration)
    windows = {lane.encoder.space.name: tuple(lane.windows) for lane in lanes if lane.windows}
    if audible:
        for name, intake in intakes.items():
            windows[name] = tuple(intake.finish(duration))
    if not audible or (encoders and not windows):
        raise AudioError(
            f"{reader.name}: there is nothing but silence in it", reason="AUDIO_SILENT"
        )
    return PreparedTrack(
        track_id=digest.track_id(),
        duration=duration,
        sample_rate=reader.sample_rate,
        channels=reader.channels,
        format=reader.format,
        truncated=reader.truncated,
        windows=windows,
    )


def forward_tracks(
    prepared: Sequence[PreparedTrack], encoders: Sequence[AudioEncoder]
) -> list[EncodedTrack]:
    """The vectors of prepared tracks, in order; batches cross the borders between files.

    Raises:
        InvalidInputError: INVALID_VECTOR if an encoder makes a vector that cannot be stored.
    """
    vectors: list[dict[str, DenseVector]] = [{} for _ in prepared]
    segments: list[dict[Span, dict[str, DenseVector]]] = [{} for _ in prepared]
    for encoder in encoders:
        space = encoder.space
        rows = _forward(encoder, (w for t in prepared for w in t.windows.get(space.name, ())))
        position = 0
        for index, track in enumerate(prepared):
            windows = track.windows.get(space.name, ())
            if not windows:
                continue
            own = rows[position : position + len(windows)]
            position += len(windows)
            found = _assemble(encoder, own, windows)
            if Level.TRACK in space.levels:
                check_vector(space, found.vector, where=f"track {track.track_id}")
                vectors[index][space.name] = found.vector
            if Level.SEGMENT in space.levels:
                for span, vector in found.segments:
                    check_vector(space, vector, where=f"track {track.track_id}")
                    segments[index].setdefault(span, {})[space.name] = vector
    return [
        EncodedTrack(
            track_id=track.track_id,
            duration=track.duration,
            vectors=vectors[index],
            segments=tuple(SegmentRecord(s, segments[index][s]) for s in sorted(segments[index])),
        )
        for index, track in enumerate(prepared)
    ]


def _forward(encoder: AudioEncoder, windows: Iterator[PreparedWindow]) -> DenseVector:
    parts = []
    while batch := [window.features for window in islice(windows, MAX_BATCH)]:
        parts.append(encoder.forward_audio(batch))
    return np.concatenate(parts) if parts else np.empty((0, encoder.space.dim), dtype=np.float32)


def _assemble(
    encoder: AudioEncoder, rows: DenseVector, windows: Sequence[PreparedWindow]
) -> TrackVectors:
    if isinstance(encoder, WholeTrackEncoder):
        return encoder.assemble(rows, windows)
    lengths = np.array([w.span.end - w.span.start for w in windows])
    spans = [window.span for window in windows]
    return TrackVectors(encoder.pool(rows, lengths), list(zip(spans, rows, strict=True)))


class _Lane:
    """One encoder's share of the pass."""

    def __init__(self, encoder: AudioEncoder) -> None:
        self.encoder = encoder
        self.windows: list[PreparedWindow] = []
        self._cutter = WindowCutter(encoder.sample_rate, encoder.windowing)

    def push(self, samples: DenseVector) -> None:
        for window in self._cutter.push(samples):
            self._prepare(window, window.end)

    def finish(self, samples: DenseVector, duration: float) -> None:
        self.push(samples)
        for window in self._cutter.finish():
            # The resampler rounds the length; no span may pass the end of the track.
            self._prepare(window, min(window.end, duration))

    def _prepare(self, window: Window, end: float) -> None:
        if end > window.start and np.abs(window.samples).max(initial=0.0) > SILENCE_PEAK:
            features = self.encoder.prepare_audio(window.samples)
            self.windows.append(PreparedWindow(Span(window.start, end), features))
