"""Records in and out in streams, so that any number of them takes bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence

from retrieval.api.batches import RecordJoiner, split_records
from retrieval.api.v1 import library_pb2 as pb
from retrieval.core.budget import Budget
from retrieval.service.backend import Backend, ServedLibrary
from retrieval.service.calls import Context
from retrieval.service.uploads import paced

FLUSH_BYTES = 8 * 1024 * 1024
FLUSH_RECORDS = 1_000
"""Records are written once this much of a stream, or this many, have been read."""
READ_RECORDS = 16
"""Records read from the store at a time; each may have thousands of segments."""


async def write_stream(
    requests: AsyncIterator[pb.WriteTracksRequest], backend: Backend, context: Context
) -> pb.WriteTracksResponse:
    """Write the records of a stream while it is read.

    Raises:
        InvalidInputError: If a record is malformed; paths count records from the first message.
        BusyError: TOO_LARGE for a single record larger than an upload may be.
    """
    records = RecordJoiner(backend.max_upload_bytes)
    async for request in paced(aiter(requests)):
        await backend.run(context, _adding(records, request))
    await backend.run(context, lambda library, _: _write(library, records, all=True))
    return pb.WriteTracksResponse(written_count=records.taken)


def _adding(
    records: RecordJoiner, request: pb.WriteTracksRequest
) -> Callable[[ServedLibrary, Budget], None]:
    def work(library: ServedLibrary, _: Budget) -> None:
        records.add(request)
        if records.bytes >= FLUSH_BYTES or len(records) > FLUSH_RECORDS:
            _write(library, records, all=False)

    return work


def _write(library: ServedLibrary, records: RecordJoiner, *, all: bool) -> None:
    ready = records.take(all=all)
    if ready:
        library.write(ready)


async def read_stream(
    track_ids: Sequence[str], backend: Backend, context: Context
) -> AsyncIterator[pb.ReadTracksResponse]:
    """The records of these tracks, a few at a time."""
    for start in range(0, len(track_ids), READ_RECORDS):
        some = track_ids[start : start + READ_RECORDS]
        for message in await backend.run(context, _reading(some)):
            yield message


def _reading(
    track_ids: Sequence[str],
) -> Callable[[ServedLibrary, Budget], list[pb.ReadTracksResponse]]:
    return lambda library, _: list(
        split_records(library.fetch_records(track_ids), pb.ReadTracksResponse)
    )
