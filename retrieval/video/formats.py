"""Which container a clip is in, decided by its first bytes; extensions are never believed."""

from __future__ import annotations

from typing import BinaryIO

from retrieval.audio.mp4 import is_mp4

FORMATS = ("MP4", "MOV", "WebM")


def demuxer_of(stream: BinaryIO) -> str | None:
    """FFmpeg's name of the demuxer for a file; None for all others. Rewinds the stream."""
    if is_mp4(stream):
        return "mov"
    head = stream.read(4)
    stream.seek(0)
    return "matroska" if head == b"\x1a\x45\xdf\xa3" else None
