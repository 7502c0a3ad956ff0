"""The one door through which bytes become pictures, in the process that calls it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from retrieval.audio.decoding import DecodeError
from retrieval.audio.ffmpeg import (
    ERRORS,
    MAX_DAMAGED_PACKETS,
    decode_error,
    open_demuxer,
    packets,
    promised_seconds,
)
from retrieval.core.errors import VideoError
from retrieval.video.formats import FORMATS, demuxer_of
from retrieval.video.frames import Frame
from retrieval.video.limits import MAX_GAP, Sampling, VideoLimits
from retrieval.video.scaling import Scaler

_USUAL_RATE = 25.0
# Where a file is cut off, less than it promises is a sure sign; encoders round by a frame or two.
_MISSING_SECONDS = 0.3
_MISSING_SHARE = 0.02


def picture_of(container: InputContainer, name: str) -> VideoStream:
    """The moving picture of a file.

    Raises:
        VideoError: VIDEO_NO_PICTURE or VIDEO_UNSUPPORTED.
    """
    moving = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not moving:
        raise VideoError(
            f"{name}: there is no picture in it, only "
            f"{'sound' if container.streams.audio else 'other data'}",
            reason="VIDEO_NO_PICTURE",
        )
    # PyAV's types do not say so, but there is no context for an encoding it cannot decode.
    if getattr(moving[0], "codec_context", None) is None:
        raise VideoError(
            f"{name}: its picture is in an encoding that cannot be decoded",
            reason="VIDEO_UNSUPPORTED",
        )
    return moving[0]


class BoundedClip:
    """A clip held within limits.

    Attributes:
        width: Pixels, as coded.
        height: Pixels, as coded.
        codec: FFmpeg's name of the codec.
        promised: Seconds that the header promises, or None.
        duration: Seconds from the first frame to the end of the last; final with ``partial``.
        partial: Whether parts of the clip were missing or damaged; final once ``frames`` has ended.
    """

    def __init__(
        self, stream: BinaryIO, limits: VideoLimits, sampling: Sampling, *, name: str
    ) -> None:
        """Open a clip and check what its header says; nothing is decoded yet.

        Raises:
            VideoError: VIDEO_EMPTY, VIDEO_UNSUPPORTED, VIDEO_UNREADABLE, VIDEO_NO_PICTURE,
                VIDEO_TOO_LARGE or VIDEO_TOO_LONG.
        """
        self._limits, self._sampling, self._name = limits, sampling, name
        self.partial = False
        self.duration = 0.0
        self._container = self._open(stream)
        try:
            self._stream = picture_of(self._container, name)
            context = self._stream.codec_context
            self.width, self.height = context.width, context.height
            self.codec = context.name
            self.promised = promised_seconds(self._container, self._stream)
            self._check_size(self.width, self.height)
            if self.promised is not None and self.promised > limits.max_duration:
                raise self._too_long(f"{self.promised:.0f} s")
            self._tune(context)
        except BaseException:
            self._container.close()
            raise

    def frames(self) -> Iterator[Frame]:
        """The frames that are wanted, by the time they are shown, the first at 0.

        Raises:
            VideoError: VIDEO_TOO_LARGE or VIDEO_TOO_LONG as soon as a limit is passed,
                VIDEO_UNREADABLE if there is no frame at all.
        """
        scaler = Scaler(self._sampling.short_side, float(self._stream.sample_aspect_ratio or 1.0))
        taken = -1
        for time, frame in self._timed():
            place = int(time * self._sampling.rate + 1e-3)
            if place > taken:
                taken = place
                yield Frame(time, scaler.scale(frame))
        if taken < 0:
            raise VideoError(f"{self._name}: not one frame of it can be decoded")
        if self.promised is not None:
            missing = self.promised - self.duration
            self.partial |= missing > _MISSING_SECONDS + _MISSING_SHARE * self.promised

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    def _timed(self) -> Iterator[tuple[float, VideoFrame]]:
        """Frames with strictly increasing times from 0 on."""
        usual = float(self._stream.average_rate or _USUAL_RATE)
        start: float | None = None
        last, step = -1.0, min(1.0 / usual, MAX_GAP)
        for count, frame in enumerate(self._decoded()):
            if count >= self._limits.max_frames:
                raise self._too_long(f"more than {self._limits.max_frames} frames")
            self._check_size(frame.width, frame.height)
            self.partial |= bool(frame.is_corrupt)
            if frame.pts is None or frame.time_base is None:
                time = 0.0 if start is None else last + step
            else:
                shown = float(frame.pts * frame.time_base)
                start = shown if start is None else start
                time = shown - start
            if time <= last:
                continue
            if time > last + MAX_GAP and last >= 0.0:
                # A damaged timestamp would turn the rest of the clip into nothing.
                self.partial = True
                continue
            if time > self._limits.max_duration:
                raise self._too_long(f"{time:.0f} s")
            length = float(frame.duration * frame.time_base) if frame.time_base else 0.0
            self.duration = time + (length if 0.0 < length < 1.0 else step)
            last = time
            start = 0.0 if start is None else start
            yield time, frame

    def _decoded(self) -> Iterator[VideoFrame]:
        failures = 0
        try:
            for packet in packets(self._container, self._stream):
                try:
                    frames: list[Any] = packet.decode()
                except ERRORS as error:
                    failures += 1
                    self.partial = True
                    if failures > MAX_DAMAGED_PACKETS:
                        raise decode_error(error) from error
                    continue
                yield from frames
        except DecodeError:
            self.partial = True

    def _open(self, stream: BinaryIO) -> InputContainer:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(0)
        if size == 0:
            raise VideoError(f"{self._name}: the file is empty", reason="VIDEO_EMPTY")
        if size > self._limits.max_bytes:
            raise VideoError(
                f"{self._name}: {size} bytes; at most {self._limits.max_bytes} are accepted",
                reason="VIDEO_TOO_LARGE",
                metadata={"limit": "max_bytes"},
            )
        demuxer = demuxer_of(stream)
        if demuxer is None:
            raise VideoError(
                f"{self._name}: not a video of a supported format ({', '.join(FORMATS)})",
                reason="VIDEO_UNSUPPORTED",
            )
        try:
            return open_demuxer(stream, demuxer, {"max_pixels": str(self._limits.max_pixels)})
        except DecodeError as error:
            raise VideoError(
                f"{self._name}: cannot be read ({error}); the file may be cut off before its index"
            ) from error

    def _tune(self, context: Any) -> None:
        options = {"max_pixels": str(self._limits.max_pixels)}
        # What deblocking smooths is gone after scaling down this far: a fifth of the time.
        if min(self.width, self.height) >= 4 * self._sampling.short_side:
            options["skip_loop_filter"] = "all"
        context.options = options
        context.thread_type = "AUTO"
        context.thread_count = 4

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._limits.max_pixels:
            raise VideoError(
                f"{self._name}: a picture of {width} x {height} is larger than the "
                f"{self._limits.max_pixels} pixels accepted",
                reason="VIDEO_TOO_LARGE",
                metadata={"limit": "max_pixels"},
            )

    def _too_long(self, length: str) -> VideoError:
        return VideoError(
            f"{self._name}: {length}; at most {self._limits.max_duration:g} s are accepted",
            reason="VIDEO_TOO_LONG",
            metadata={"limit": "max_duration"},
        )
