"""The one door through which bytes become sound."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from retrieval.audio.decoding import Block, DecodeError, Decoder
from retrieval.audio.formats import FORMATS, complete, sniff, sniffable
from retrieval.audio.limits import MAX_SAMPLE, USABLE_SECONDS, Limits
from retrieval.core.closing import Closing
from retrieval.core.errors import AudioError

_DEFAULT = Limits()
# The faster one. Not for MP3 and FLAC: libsndfile believes a wrong guess of an MP3's length and
# drops the rest, and gives up a FLAC at its first damaged frame, which FFmpeg steps over. FFmpeg
# takes half the time for Opus.
_BY_LIBSNDFILE = frozenset({"wav", "aiff", "ogg"})


def open_audio(
    source: Path | bytes, limits: Limits = _DEFAULT, *, name: str | None = None
) -> BoundedReader:
    """Open a sound file or its bytes and check what its header says against the limits.

    The format is decided by content, never by extension. Nothing is decoded yet except, for M4A
    and AAC, the first frame.

    Args:
        source: A path, or a whole encoded file.
        limits: What to accept.
        name: What errors call it; the path by default, ``audio`` for bytes.

    Raises:
        AudioError: AUDIO_UNSUPPORTED, AUDIO_UNREADABLE, AUDIO_EMPTY, AUDIO_TOO_LONG or
            AUDIO_TOO_LARGE.
    """
    name = name or (str(source) if isinstance(source, Path) else "audio")
    stream, size = _open_stream(source, name)
    try:
        if size == 0:
            raise AudioError(f"{name}: the file is empty", reason="AUDIO_EMPTY")
        if size > limits.max_bytes:
            raise _too("LARGE", name, f"{size} bytes", f"{limits.max_bytes} bytes", "max_bytes")
        found = sniff(stream)
        if found is None:
            raise AudioError(
                f"{name}: not a sound file of a supported format ({', '.join(FORMATS)})",
                reason="AUDIO_UNSUPPORTED",
            )
        whole = complete(stream, found)
        try:
            decoder = _decoder(stream, found)
        except (DecodeError, OSError) as error:
            raise _unreadable(name, found, error) from error
    except BaseException:
        stream.close()
        raise
    reader = BoundedReader(decoder, format=found, limits=limits, name=name, complete=whole)
    try:
        reader.check_header()
    except BaseException:
        reader.close()
        raise
    return reader


class BoundedReader(Closing):
    """The ``AudioReader`` of files: a decoder held within limits."""

    def __init__(
        self, decoder: Decoder, *, format: str, limits: Limits, name: str, complete: bool
    ) -> None:
        self._decoder = decoder
        self._limits = limits
        self._truncated = not complete
        self.name = name
        self.format = format
        self.sample_rate = decoder.sample_rate
        self.channels = decoder.channels

    @property
    def truncated(self) -> bool:
        """Whether parts of the file were missing or damaged; final once ``blocks`` has ended."""
        return self._truncated or self._decoder.damaged

    def check_header(self) -> None:
        """Check rate, channels and promised length.

        Raises:
            AudioError: AUDIO_EMPTY, AUDIO_TOO_LONG, AUDIO_TOO_LARGE or AUDIO_UNREADABLE.
        """
        limits, name = self._limits, self.name
        if self.channels < 1 or self.sample_rate < 1:
            raise AudioError(f"{name}: the {self.format} header has no usable sound format")
        if self.channels > limits.max_channels:
            many = f"{self.channels} channels"
            raise _too("LARGE", name, many, str(limits.max_channels), "max_channels")
        if not limits.min_sample_rate <= self.sample_rate <= limits.max_sample_rate:
            accepted = f"{limits.min_sample_rate}..{limits.max_sample_rate} Hz"
            raise AudioError(
                f"{name}: a sample rate of {self.sample_rate} Hz is outside {accepted}",
                reason="AUDIO_UNSUPPORTED",
            )
        if self._decoder.promised == 0:
            raise self._empty()
        if (self._decoder.promised or 0) > limits.max_duration * self.sample_rate:
            raise self._too_long()

    def blocks(self) -> Iterator[Block]:
        """See ``AudioReader.blocks``; the file is closed at the end."""
        most = self._limits.max_duration * self.sample_rate
        frames = 0
        try:
            for block in self._decoder.read():
                frames += len(block)
                if frames > most:
                    raise self._too_long()
                _check_samples(block, self.name)
                yield block
        except DecodeError as error:
            self._truncated = True
            self._check_length(frames, error)
        else:
            self._check_length(frames, None)
        finally:
            self.close()

    def close(self) -> None:
        """Release the file; idempotent."""
        self._decoder.close()

    def _check_length(self, frames: int, error: DecodeError | None) -> None:
        promised, rate = self._decoder.promised, self.sample_rate
        # Lossy formats promise their padding too, hence the quarter of a second.
        if promised is not None and promised - frames > 0.25 * rate:
            self._truncated = True
        if self.truncated and frames < USABLE_SECONDS * rate:
            raise _unreadable(self.name, self.format, error or f"{frames / rate:.2f} s left of it")
        if frames == 0:
            raise self._empty()
        if frames < self._limits.min_duration * rate:
            raise AudioError(
                f"{self.name}: {frames / rate:.3f} s of sound is too short; "
                f"at least {self._limits.min_duration:g} s is needed",
                reason="AUDIO_TOO_SHORT",
                metadata={"limit": "min_duration"},
            )

    def _empty(self) -> AudioError:
        if self.truncated:
            return _unreadable(self.name, self.format, "no sound is left of it")
        return AudioError(f"{self.name}: the file holds no sound", reason="AUDIO_EMPTY")

    def _too_long(self) -> AudioError:
        limit = f"{self._limits.max_duration:g} s"
        return _too("LONG", self.name, "the sound", limit, "max_duration")


def _check_samples(block: Block, name: str) -> None:
    # A NaN spoils both extremes and an infinity one of them: two passes and no temporary array.
    low, high = float(block.min()), float(block.max())
    if not np.isfinite(low) or not np.isfinite(high):
        raise AudioError(
            f"{name}: there are NaN or infinite samples in the file; export it again",
            reason="AUDIO_NOT_FINITE",
        )
    if max(-low, high) > MAX_SAMPLE:
        raise AudioError(f"{name}: samples of size {max(-low, high):.3g} are not sound")


def _open_stream(source: Path | bytes, name: str) -> tuple[BinaryIO, int]:
    if isinstance(source, bytes):
        return sniffable(source), len(source)
    try:
        if not source.is_file():
            raise AudioError(f"{name}: not a file" if source.exists() else f"{name}: no such file")
        stream = source.open("rb")
        return stream, source.stat().st_size
    except OSError as error:
        raise AudioError(f"{name}: cannot be read: {error.strerror}") from error


def _decoder(stream: BinaryIO, format: str) -> Decoder:
    # Each library is loaded when its first file comes along.
    if format in _BY_LIBSNDFILE:
        from retrieval.audio.libsndfile import SoundFileDecoder

        with contextlib.suppress(DecodeError):
            return SoundFileDecoder(stream)
        stream.seek(0)
    from retrieval.audio.ffmpeg import FFmpegDecoder

    return FFmpegDecoder(stream, format)


def _too(what: str, name: str, value: str, limit: str, field: str) -> AudioError:
    verb = "is longer than" if what == "LONG" else "is more than"
    return AudioError(
        f"{name}: {value} {verb} the limit of {limit}",
        reason=f"AUDIO_TOO_{what}",
        metadata={"limit": field},
    )


def _unreadable(name: str, format: str, cause: object) -> AudioError:
    return AudioError(f"{name}: broken or truncated {format} file: {cause}")
