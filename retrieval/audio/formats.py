"""Which container a file is, decided by its first bytes; extensions are never believed."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

from retrieval.audio.mp4 import is_mp4

FORMATS = ("wav", "flac", "mp3", "ogg", "opus", "m4a", "aac", "aiff", "webm")
"""The allow-list: whatever is none of these is never shown to a decoder."""

_HEAD = 64 * 1024
_MAX_TAGS = 8

# kbit/s by bit-rate index, ISO 11172-3 and 13818-3: (version 1?, layer) -> table.
_BIT_RATES = {
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def sniff(stream: BinaryIO) -> str | None:
    """The format of a seekable stream, one of ``FORMATS``, or None; rewinds the stream."""
    try:
        if is_mp4(stream):
            return "m4a"
        position = _skip_tags(stream)
        return sniff_bytes(stream.read(_HEAD), tagged=position > 0)
    finally:
        stream.seek(0)


def sniff_bytes(head: bytes, *, tagged: bool = False) -> str | None:
    """The format of a file that starts with ``head`` (after its ID3v2 tags, if ``tagged``)."""
    if head[:4] == b"fLaC":
        return "flac"
    if not tagged:
        kind = head[8:12]
        if head[:4] in {b"RIFF", b"RF64", b"RIFX"} and kind == b"WAVE":
            return "wav"
        if head[:4] == b"FORM" and kind in {b"AIFF", b"AIFC"}:
            return "aiff"
        if head[:4] == b"OggS":
            return _ogg(head)
        if head[:4] == b"\x1a\x45\xdf\xa3":
            return "webm"
    return _mpeg(head, tagged=tagged)


def complete(stream: BinaryIO, format: str) -> bool:
    """Whether a file reaches the end that its container marks or promises; rewinds the stream.

    Decoders take WAV, AIFF, Ogg and MP3 files that were cut off for shorter ones. Where a
    container (or this function) knows nothing of its end, the file counts as complete.
    """
    try:
        end = stream.seek(0, io.SEEK_END)
        match format:
            case "wav" | "aiff":
                return _riff_complete(stream, end)
            case "ogg" | "opus":
                return _ogg_complete(stream, end)
            case "mp3":
                return _mp3_complete(stream, end)
            case _:
                return True
    finally:
        stream.seek(0)


def sniffable(data: bytes) -> BinaryIO:
    """Bytes as the kind of stream that ``sniff`` and the decoders read."""
    return io.BytesIO(data)


def _skip_tags(stream: BinaryIO) -> int:
    """Put the stream behind its ID3v2 tags (MP3, AAC, sometimes FLAC have them); the position."""
    position = 0
    for _ in range(_MAX_TAGS):
        stream.seek(position)
        head = stream.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            break
        # Seven bits per byte.
        size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
        position += 10 + size + (10 if head[5] & 0x10 else 0)
    stream.seek(position)
    return position


def _riff_complete(stream: BinaryIO, end: int) -> bool:
    stream.seek(0)
    head = stream.read(8)
    size = int.from_bytes(head[4:8], "little" if head[:4] in {b"RIFF", b"RF64"} else "big")
    # Who writes to a pipe leaves 0 or a number near 2 or 4 GiB, which promises nothing.
    streamed = size == 0 or size & 0x7FFF_0000 == 0x7FFF_0000
    return streamed or size + 8 <= end + 1


def _ogg_complete(stream: BinaryIO, end: int) -> bool:
    """Whether the last page is whole and marked as the last (RFC 3533)."""
    stream.seek(max(0, end - _HEAD - 512))
    tail = stream.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27 or page[:4] != b"OggS":
        return False
    lengths = page[27 : 27 + page[26]]
    return bool(page[5] & 4) and 27 + page[26] + sum(lengths) <= len(page)


def _mp3_complete(stream: BinaryIO, end: int) -> bool:
    """Whether there are as many bytes as the first frame's Xing or Info header counts, if any."""
    position = _skip_tags(stream)
    frame = stream.read(512)
    place = max(frame.find(b"Xing", 0, 64), frame.find(b"Info", 0, 64))
    if place == -1 or not frame[place + 7] & 2:
        return True
    # Two optional numbers: frames (flag 1) and bytes (flag 2), from the first frame on.
    field = place + 8 + (4 if frame[place + 7] & 1 else 0)
    return position + int.from_bytes(frame[field : field + 4], "big") <= end


def _ogg(head: bytes) -> str | None:
    # The first packet of a stream starts after the page header and its segment table.
    if len(head) < 28:
        return None
    packet = head[27 + head[26] :][:8]
    if packet.startswith(b"OpusHead"):
        return "opus"
    if packet.startswith((b"\x01vorbis", b"\x7fFLAC")):
        return "ogg"
    return None


def _mpeg(head: bytes, *, tagged: bool) -> str | None:
    """MP3 or ADTS AAC: a chain of frame headers, after padding or junk of at most 4 KiB."""
    limit = min(len(head), 4096 if not tagged else _HEAD)
    start = head.find(b"\xff", 0, limit)
    while start != -1:
        for name, measure in (("mp3", _mp3_frame), ("aac", _adts_frame)):
            if _chain(head, start, measure):
                return name
        start = head.find(b"\xff", start + 1, limit)
    return None


def _chain(head: bytes, position: int, measure: Callable[[bytes], int | None]) -> bool:
    frames = 0
    while frames < 3:
        size = measure(head[position : position + 6])
        if size is None:
            return False
        frames += 1
        position += size
        if position >= len(head):
            # A file of one or two frames; junk that fills the rest of a head does not count.
            return frames >= 2 or position == len(head)
    return True


def _mp3_frame(header: bytes) -> int | None:
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bits, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bits in {0, 15} or rate == 3:
        return None
    kbits = _BIT_RATES[version == 3, layer][bits]
    hertz, padding = _MPEG_RATES[version][rate], header[2] >> 1 & 1
    if layer == 1:
        return (12_000 * kbits // hertz + padding) * 4
    samples = 72_000 if layer == 3 and version != 3 else 144_000
    return samples * kbits // hertz + padding


def _adts_frame(header: bytes) -> int | None:
    if len(header) < 6 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return None
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size >= 7 and header[2] >> 2 & 15 < 13 else None
