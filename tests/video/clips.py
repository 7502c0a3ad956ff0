"""Small generated clips whose cuts, motion, colour and brightness are known."""

from __future__ import annotations

import io
import itertools
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

CODECS = {"mp4": "libx264", "mov": "libx264", "webm": "libvpx"}
TICKS = 90_000


@dataclass(frozen=True)
class Shot:
    """One shot: a texture around a colour that moves evenly.

    Attributes:
        seconds: Its length.
        colour: Mean RGB, 0..255.
        contrast: Deviation of the texture, 0..255.
        pan: Widths per second to the left.
        object: Widths per second of a textured square that crosses a picture at rest.
        seed: Of the texture.
    """

    seconds: float
    colour: tuple[int, int, int] = (128, 128, 128)
    contrast: float = 40.0
    pan: float = 0.0
    object: float = 0.0
    seed: int = 0

    def picture(self, time: float, width: int, height: int) -> NDArray[np.uint8]:
        """RGB at a time from the start of the shot."""
        rows = np.arange(height, dtype=np.float64)
        columns = np.arange(width, dtype=np.float64)
        grey = _texture(self.seed, columns + self.pan * width * time, rows)
        if self.object:
            side = height // 3
            left = (self.object * width * time) % (width + side) - side
            across, down = columns - left, rows - side
            inside = ((down >= 0) & (down < side))[:, None] & ((across >= 0) & (across < side))
            grey = np.where(inside, 1.5 * _texture(self.seed + 99, across, down), grey)
        values = np.asarray(self.colour) + self.contrast * grey[:, :, None]
        return np.clip(np.round(values), 0, 255).astype(np.uint8)


def even(rate: float, seconds: float) -> list[float]:
    """Times of frames at a constant rate."""
    return [index / rate for index in range(round(seconds * rate))]


def uneven(seconds: float, seed: int = 1) -> list[float]:
    """Times of frames whose distances vary from 1/60 to 1/8 s."""
    rng = np.random.default_rng(seed)
    steps = rng.uniform(1 / 60, 1 / 8, size=round(seconds * 70))
    times = np.concatenate([[0.0], np.cumsum(steps)])
    return [float(time) for time in times[times < seconds]]


def cuts_of(shots: Sequence[Shot], times: Sequence[float]) -> list[float]:
    """When the first frame of each new shot is shown."""
    ends = itertools.accumulate(shot.seconds for shot in shots[:-1])
    return [min(time for time in times if time >= end - 1e-9) for end in ends]


def pictures(
    shots: Sequence[Shot], times: Sequence[float], size: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    """RGB of these shots at each time."""
    starts = [0.0, *itertools.accumulate(shot.seconds for shot in shots)]
    for time in times:
        place = max(i for i in range(len(shots)) if starts[i] <= time + 1e-9)
        yield shots[place].picture(time - starts[place], *size)


def clip(
    shots: Sequence[Shot],
    *,
    format: str = "mp4",
    size: tuple[int, int] = (320, 180),
    times: Sequence[float] | None = None,
    sound: bool = False,
    options: dict[str, str] | None = None,
) -> bytes:
    """A whole file of these shots, at 25 frames per second unless times are given."""
    whole = sum(shot.seconds for shot in shots)
    times = even(25.0, whole) if times is None else times
    # The muxer reads the file again to put the index in front.
    with (
        tempfile.NamedTemporaryFile() as target,
        av.open(target.name, "w", format=format, options=options or {}) as container,
    ):
        stream = container.add_stream(CODECS[format], rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "18"}
        stream.codec_context.thread_count = 1
        if CODECS[format] == "libvpx":
            stream.options = {"deadline": "realtime", "cpu-used": "8", "b": "2M"}
        base = Fraction(1, TICKS)
        stream.codec_context.time_base = base
        heard = container.add_stream("aac", rate=48_000) if sound else None
        for time, picture in zip(times, pictures(shots, times, size), strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = round(time * TICKS), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if heard is not None:
            container.mux(_tone(heard, whole))
        container.close()
        return Path(target.name).read_bytes()


def only_sound(seconds: float = 2.0) -> bytes:
    """An MP4 without a picture."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        container.mux(_tone(container.add_stream("aac", rate=48_000), seconds))
    return target.getvalue()


def one_frame(width: int, height: int) -> bytes:
    """An MP4 of one black picture of any size."""
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast"}
        stream.codec_context.thread_count = 1
        frame = av.VideoFrame(width, height, "yuv420p")
        for plane, value in zip(frame.planes, (16, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return target.getvalue()


def old_quicktime(data: bytes, before: bytes = b"") -> bytes:
    """The MOV or MP4 as it was before ``ftyp``: without it, and with other boxes in its place."""
    gone = struct.unpack_from(">I", data)[0]
    assert data[4:8] == b"ftyp"
    changed = bytearray(before + data[gone:])
    place = changed.find(b"stco")
    while place != -1:
        (count,) = struct.unpack_from(">I", changed, place + 8)
        for field in range(place + 12, place + 12 + 4 * count, 4):
            (offset,) = struct.unpack_from(">I", changed, field)
            struct.pack_into(">I", changed, field, offset - gone + len(before))
        place = changed.find(b"stco", place + 4)
    return bytes(changed)


def turned(data: bytes) -> bytes:
    """The MP4 with metadata that says: show it rotated by 90 degrees clockwise."""
    place = data.index(b"tkhd") + 4 + 40
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    return data[:place] + matrix + data[place + len(matrix) :]


def claiming(data: bytes, width: int, height: int) -> bytes:
    """The MP4 with another picture size in its sample description."""
    place = data.index(b"avc1", data.index(b"stsd")) + 4 + 24
    return data[:place] + struct.pack(">HH", width, height) + data[place + 4 :]


def _texture(seed: int, x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.float64]:
    """Sums of waves at columns x and rows y, mean 0 and deviation 1: any shift is exact."""
    rng = np.random.default_rng(seed)
    across, down = rng.uniform(-0.25, 0.25, size=(2, 12))
    phases = rng.uniform(0, 2 * np.pi, size=12)
    waves = np.exp(1j * np.outer(y, down)) @ np.exp(1j * (np.outer(across, x) + phases[:, None]))
    return waves.imag / np.sqrt(6.0)


def _tone(stream: av.AudioStream, seconds: float) -> list[av.Packet]:
    packets = []
    for start in range(0, round(seconds * 48_000), 1024):
        wave = 0.2 * np.sin(2 * np.pi * 440 * (start + np.arange(1024)) / 48_000)
        frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, start
        packets += stream.encode(frame)
    return packets + stream.encode()
