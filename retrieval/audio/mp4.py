"""A look at an MP4 or MOV, and at its index, before a demuxer builds that in memory.

A few bytes in ``stsz`` or ``trun`` can promise a hundred million samples, and FFmpeg makes an entry
of some 36 bytes for each before it has seen one of them.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

from retrieval.audio.decoding import DecodeError

MAX_ENTRIES = 4_000_000
"""Twenty-four hours of AAC at 48 kHz, and about 150 MB."""

_MAX_INDEX_BYTES = 256 * 1024 * 1024
# QuickTime knew no ``ftyp`` until 2001, and cameras left it out for longer: such a file starts with
# its index or its media, or with padding and previews before them.
_TELLING = frozenset({b"ftyp", b"moov", b"mdat"})
_BEFORE = frozenset({b"wide", b"free", b"skip", b"junk", b"pnot", b"PICT", b"pict", b"uuid"})
_MOST_BEFORE = 16


def is_mp4(stream: BinaryIO) -> bool:
    """Whether a file starts as MP4 and MOV do, with or without ``ftyp``; rewinds the stream."""
    try:
        end = stream.seek(0, io.SEEK_END)
        position = 0
        for _ in range(_MOST_BEFORE):
            kind, size = _box(stream, position)
            if kind in _TELLING:
                return size == 0 or size >= 8
            if kind not in _BEFORE or not 8 <= size <= end - position:
                return False
            position += size
        return False
    finally:
        stream.seek(0)


def check_index(stream: BinaryIO) -> None:
    """Add up the samples that all tables outside the media data promise; rewinds the stream.

    Raises:
        DecodeError: If they are more than ``MAX_ENTRIES``, or the index is compressed or larger
            than 256 MiB.
    """
    try:
        entries = 0
        for piece in _outside_media(stream):
            if b"cmov" in piece:
                raise DecodeError("its index is compressed")
            entries += sum(_counts(piece, b"stsz", 8)) + sum(_counts(piece, b"trun", 4))
        if entries > MAX_ENTRIES:
            raise DecodeError(f"its index promises {entries} samples")
    finally:
        stream.seek(0)


def _counts(piece: bytes, table: bytes, offset: int) -> Iterator[int]:
    """The number of samples in each table of a kind, ``offset`` bytes behind its name."""
    place = piece.find(table)
    while place != -1:
        field = piece[place + 4 + offset : place + 8 + offset]
        if len(field) == 4:
            yield int.from_bytes(field, "big")
        place = piece.find(table, place + 4)


def _outside_media(stream: BinaryIO) -> Iterator[bytes]:
    """The top-level boxes without ``mdat``, the tail of a broken file included."""
    end = stream.seek(0, io.SEEK_END)
    position = held = 0
    while position < end:
        kind, size = _box(stream, position)
        if size < 8 or position + size > end:
            size = end - position
        if kind != b"mdat":
            held += size
            if held > _MAX_INDEX_BYTES:
                raise DecodeError("its index is too large")
            stream.seek(position)
            yield stream.read(size)
        position += size


def _box(stream: BinaryIO, position: int) -> tuple[bytes, int]:
    """Kind and size of the box at a place; 0 for one that lasts to the end of the file."""
    stream.seek(position)
    head = stream.read(16)
    size = int.from_bytes(head[:4], "big")
    return head[4:8], int.from_bytes(head[8:16], "big") if size == 1 else size
