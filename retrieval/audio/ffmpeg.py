"""Decoding and demuxing by FFmpeg through PyAV: all that ``libsndfile`` does not do (well)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NoReturn

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.stream import Stream

from retrieval.audio.decoding import Block, DecodeError
from retrieval.audio.limits import BLOCK_SAMPLES
from retrieval.audio.mp4 import check_index

DEMUXERS = {
    "wav": "wav",
    "flac": "flac",
    "mp3": "mp3",
    "ogg": "ogg",
    "opus": "ogg",
    "m4a": "mov",
    "aac": "aac",
    "aiff": "aiff",
    "webm": "matroska",
}
MAX_DAMAGED_PACKETS = 100
# PyAV 18 reads past the end of a frame's list of planes when it has eight or more: such frames are
# packed into one plane before they are touched.
_MOST_PLANES = 8
_GUESSED = frozenset({"mp3", "aac"})

ERRORS = (av.error.FFmpegError, ValueError, EOFError, OSError)
av.logging.set_level(None)


def open_demuxer(
    stream: BinaryIO, demuxer: str, options: Mapping[str, str] | None = None
) -> InputContainer:
    """Exactly this demuxer, which can open nothing else.

    Args:
        stream: The file.
        demuxer: FFmpeg's name of it.
        options: For the demuxer and every decoder it tries.

    Raises:
        DecodeError: If the bytes are not that, or promise an index that no memory should hold.
    """
    if demuxer == "mov":
        check_index(stream)
    try:
        return av.open(
            stream,
            "r",
            format=demuxer,
            options=dict(options or {}),
            metadata_errors="replace",
            io_open=_refuse,
        )
    except ERRORS as error:
        raise decode_error(error) from error


def open_container(stream: BinaryIO, format: str) -> InputContainer:
    """An open demuxer of a format of sound.

    Raises:
        DecodeError: If the bytes are not that, or hold no audio.
    """
    container = open_demuxer(stream, DEMUXERS[format])
    if not container.streams.audio:
        container.close()
        raise DecodeError("there is no audio stream")
    # PyAV's types do not say so, but there is no context for an encoding it cannot decode.
    if getattr(container.streams.audio[0], "codec_context", None) is None:
        container.close()
        raise DecodeError("its sound is in an encoding that cannot be decoded")
    return container


def packets(container: InputContainer, stream: Stream | None = None) -> Iterator[Any]:
    """Packets of a stream, by default the first one of sound.

    Raises:
        DecodeError: If the file breaks.
    """
    demuxer = container.demux(stream or container.streams.audio[0])
    while True:
        try:
            packet = next(demuxer)
        except StopIteration:
            return
        except ERRORS as error:
            raise decode_error(error) from error
        yield packet


def promised_seconds(container: InputContainer, stream: Stream) -> float | None:
    """How long a stream is by its header, or None if that does not say."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # Matroska knows the length of a stream from a tag; that of the file may be another stream's.
    with contextlib.suppress(KeyError, ValueError):
        hours, minutes, seconds = stream.metadata["DURATION"].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    moving = len(container.streams.audio) + len(container.streams.video)
    if container.duration is not None and moving == 1:
        return float(container.duration / av.time_base)
    return None


class FFmpegDecoder:
    """A ``Decoder`` that steps over damaged packets."""

    def __init__(self, stream: BinaryIO, format: str) -> None:
        self._stream = stream
        self._container = open_container(stream, format)
        audio = self._container.streams.audio[0]
        # One stream, one core: files are decoded in parallel, not frames.
        audio.codec_context.thread_type = "NONE"
        self.damaged = False
        self._packer: av.AudioResampler | None = None
        self._frames = self._decode()
        try:
            # Only the first frame tells the real rate (HE-AAC doubles what the header says).
            self._first = next(self._frames, None)
        except DecodeError:
            self._first = None
            self.damaged = True
        known = self._first if self._first is not None else audio
        self.sample_rate = int(known.sample_rate or 0)
        self.channels = int(known.layout.nb_channels) if known.layout else 0
        self.promised: int | None = None
        # What MP3 and raw AAC "promise" may be a guess from the first frame's bit rate.
        if format not in _GUESSED:
            seconds = promised_seconds(self._container, audio)
            self.promised = None if seconds is None else round(seconds * self.sample_rate)

    def read(self) -> Iterator[Block]:
        """Blocks until the file ends or breaks."""
        size = max(1, BLOCK_SAMPLES // self.channels)
        parts: list[Block] = []
        held = 0
        try:
            for block in self._blocks():
                parts.append(block)
                held += len(block)
                if held >= size:
                    yield np.concatenate(parts)
                    parts, held = [], 0
        except DecodeError:
            self.damaged = True
        if parts:
            yield np.concatenate(parts)

    def close(self) -> None:
        """Release the file."""
        self._container.close()
        self._stream.close()

    def _blocks(self) -> Iterator[Block]:
        if self._first is not None:
            yield from self._samples(self._first)
        for frame in self._frames:
            if frame.sample_rate == self.sample_rate and frame.layout.nb_channels == self.channels:
                yield from self._samples(frame)
            else:
                self.damaged = True

    def _samples(self, frame: AudioFrame) -> Iterator[Block]:
        if not frame.format.is_planar or frame.layout.nb_channels < _MOST_PLANES:
            yield _to_float(frame)
            return
        if self._packer is None:
            self._packer = av.AudioResampler(
                format="flt", layout=frame.layout, rate=frame.sample_rate
            )
        try:
            packed = self._packer.resample(frame)
        except ERRORS:
            self.damaged = True
            return
        yield from map(_to_float, packed)

    def _decode(self) -> Iterator[AudioFrame]:
        failures = 0
        for packet in packets(self._container):
            try:
                frames = packet.decode()
            except ERRORS as error:
                failures += 1
                self.damaged = True
                if failures > MAX_DAMAGED_PACKETS:
                    raise decode_error(error) from error
                continue
            yield from frames


def decode_error(error: Exception) -> DecodeError:
    """FFmpeg's own words, without the number and the file name around them."""
    return DecodeError(getattr(error, "strerror", None) or str(error))


def _to_float(frame: AudioFrame) -> Block:
    """One frame as float32 of shape (frames, channels), full scale 1."""
    data: np.ndarray[Any, Any] = frame.to_ndarray()
    channels = frame.layout.nb_channels
    data = data.T if frame.format.is_planar else data.reshape(-1, channels)
    samples: np.ndarray[Any, Any]
    match data.dtype.kind:
        case "u":
            samples = (data.astype(np.float32) - 128.0) / 128.0
        case "i":
            scale = float(2 ** (8 * data.dtype.itemsize - 1))
            samples = data.astype(np.float64) / scale
        case _:
            samples = data
    return np.ascontiguousarray(samples, dtype=np.float32)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise PermissionError("a sound file may not open other files")
