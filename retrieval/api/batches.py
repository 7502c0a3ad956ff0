"""Records over several messages: as many as fit each, and long tracks in parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from retrieval.api.checks import invalid
from retrieval.api.records import decode_record, decode_segments, encode_record, encode_segment
from retrieval.api.v1 import library_pb2 as pb
from retrieval.core.errors import BusyError
from retrieval.core.tracks import TrackRecord

Batch = pb.WriteTracksRequest | pb.ReadTracksResponse
B = TypeVar("B", pb.WriteTracksRequest, pb.ReadTracksResponse)

MESSAGE_BYTES = 2 * 1024 * 1024
"""A message is sent once it has this size; half of the default limit leaves room for its last part.
"""
MAX_RECORDS = 1_000


def split_records(records: Iterable[TrackRecord], kind: type[B]) -> Iterator[B]:
    """Messages that hold the records, each below the default limit.

    Raises:
        InvalidInputError: If a record cannot travel.
        BusyError: TOO_LARGE for a payload or a segment that alone is too large for a message.
    """
    message, size = kind(), 0
    for record in records:
        head = encode_record(replace(record, segments=()))
        room = _size(head, record.id)
        if size and (size + room > MESSAGE_BYTES or len(message.records) >= MAX_RECORDS):
            yield message
            message, size = kind(), 0
        target = message.records.add()
        target.CopyFrom(head)
        segments, size = target.segments, size + room
        for part in record.segments:
            segment = encode_segment(part)
            room = _size(segment, record.id)
            if size + room > MESSAGE_BYTES:
                yield message
                message, size = kind(), 0
                segments = message.more_segments
            segments.append(segment)
            size += room
    if size:
        yield message


def _size(part: pb.TrackRecord | pb.SegmentRecord, track: str) -> int:
    size = part.ByteSize() + 8  # its tag and length
    if size > MESSAGE_BYTES:
        raise BusyError(
            f"track {track}: one part of its record has {size} bytes, at most {MESSAGE_BYTES} fit",
            reason="TOO_LARGE",
            metadata={"track": track, "max_bytes": str(MESSAGE_BYTES)},
        )
    return size


class RecordJoiner:
    """Puts records together again; bounded by who calls ``take``.

    Attributes:
        bytes: Size on the wire of what is held.
        taken: Records handed out so far.
    """

    def __init__(self, max_record_bytes: int) -> None:
        """Start empty.

        Args:
            max_record_bytes: Largest record on the wire.
        """
        self._max_record_bytes = max_record_bytes
        self._records: list[TrackRecord] = []
        self._last_bytes = 0
        self.bytes = 0
        self.taken = 0

    def __len__(self) -> int:
        return len(self._records)

    def add(self, message: Batch) -> None:
        """Take one message in.

        Raises:
            InvalidInputError: If a part is malformed; paths count records from the first message.
            BusyError: TOO_LARGE.
        """
        self.bytes += message.ByteSize()
        start = self.taken + len(self._records)
        if message.more_segments:
            self._extend(message, f"records[{start - 1}]")
        for i, record in enumerate(message.records, start=start):
            self._records.append(decode_record(record, f"records[{i}]"))
        if message.records:
            self._last_bytes = message.records[-1].ByteSize()

    def _extend(self, message: Batch, where: str) -> None:
        if not self._records:
            raise invalid("more_segments", "there is no record before to add them to")
        last = self._records[-1]
        self._last_bytes += sum(segment.ByteSize() for segment in message.more_segments)
        if self._last_bytes > self._max_record_bytes:
            raise BusyError(
                f"{where}: a record may have {self._max_record_bytes} bytes",
                reason="TOO_LARGE",
                metadata={"track": last.id, "max_bytes": str(self._max_record_bytes)},
            )
        more = decode_segments(message.more_segments, f"{where}.more_segments")
        self._records[-1] = replace(last, segments=last.segments + more)

    def take(self, *, all: bool) -> list[TrackRecord]:
        """Hand out the records that are complete; the last one is only once the stream ended."""
        count = len(self._records) - (0 if all else 1)
        ready, self._records = self._records[:count], self._records[count:]
        self.bytes = self._last_bytes if self._records else 0
        self.taken += len(ready)
        return ready
