"""Which container a clip is in, decided by its first bytes; extensions are never believed."""

from __future__ import annotations

FORMATS = ("MP4", "MOV", "WebM")
HEAD = 64

_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})


def demuxer_of(head: bytes) -> str | None:
    """FFmpeg's name of the demuxer for a file that starts with ``head``; None for all others."""
    if head[4:8] in _BOXES:
        return "mov"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    return None
