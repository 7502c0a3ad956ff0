"""Pictures as JPEG files and back, by the codec that PyAV brings."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_QUALITY = "2"
"""Of FFmpeg, 1 being the best."""


def to_jpeg(picture: Picture) -> bytes:
    """The JPEG file of an RGB picture (height, width, 3)."""
    height, width, _ = picture.shape
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height = width, height
    codec.pix_fmt = "yuvj444p"
    codec.time_base = Fraction(1, 1)
    codec.options = {"qmin": _QUALITY, "qmax": _QUALITY}
    packets = [*codec.encode(frame), *codec.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def read_jpeg(path: Path) -> Picture:
    """The RGB picture of a JPEG file that ``to_jpeg`` made.

    Raises:
        OSError: It cannot be read, or is damaged.
    """
    codec = av.CodecContext.create("mjpeg", "r")
    try:
        frames = codec.decode(av.Packet(path.read_bytes()))
    except av.error.FFmpegError as error:
        raise OSError(f"{path}: a damaged picture") from error
    if not frames:
        raise OSError(f"{path}: no picture")
    return np.asarray(frames[0].to_ndarray(format="rgb24"))
