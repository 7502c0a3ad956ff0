"""The asynchronous client."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import grpc
import grpc.aio

from retrieval.client import calls
from retrieval.client import series as series_calls
from retrieval.client.calls import Call
from retrieval.client.channel import channel_credentials, metadata, methods, options
from retrieval.client.failures import translate
from retrieval.core.errors import StoreError
from retrieval.core.filters import Filter
from retrieval.core.library import RecordPage, SpaceStatus
from retrieval.core.payload import Field
from retrieval.core.queries import (
    FacetCount,
    RecommendRequest,
    SearchRequest,
    SearchResponse,
    TrackPage,
)
from retrieval.core.series import Series
from retrieval.core.spaces import EmbeddingSpace, Statistics
from retrieval.core.tracks import LibraryInfo, Track, TrackRecord, TrackUpdate

T = TypeVar("T")


class AsyncClient:
    """``Client`` for asyncio: the same methods, arguments, answers and errors, awaited.

    Cancelling a task cancels its call in the service.

    Example:
        >>> async with AsyncClient("localhost:50051") as library:
        ...     request = SearchRequest((WeightedQuery(TextQuery("calm piano")),))
        ...     response = await library.search(request)
    """

    def __init__(
        self,
        address: str,
        *,
        token: str | None = None,
        tls: bool = False,
        tls_ca: Path | None = None,
        tls_certificate: Path | None = None,
        tls_key: Path | None = None,
        tls_server_name: str | None = None,
        timeout: float = 30.0,
    ) -> None:
        """Describe the connection; arguments as ``Client``. Needs a running event loop."""
        self.address = address
        self._timeout = timeout
        self._metadata = metadata(token)
        credentials = channel_credentials(tls, tls_ca, tls_certificate, tls_key, tls_server_name)
        chosen = options(tls_server_name)
        self._channel = (
            grpc.aio.insecure_channel(address, options=chosen)
            if credentials is None
            else grpc.aio.secure_channel(address, credentials, options=chosen)
        )
        self._methods = methods(self._channel)
        self._closed = False

    async def _call(self, call: Call[T]) -> T:
        if self._closed:
            raise StoreError("this client is closed", reason="SERVICE_UNAVAILABLE")
        timeout = self._timeout * call.patience
        method = self._methods[call.method]
        try:
            pending = method(call.request, timeout=timeout, metadata=self._metadata)
            answer = [part async for part in pending] if call.streams else await pending
        except grpc.RpcError as error:
            raise translate(error, self.address, timeout) from None
        return calls.meaning(call, answer, self.address)

    async def info(self) -> LibraryInfo:
        """Spaces, fields and statistics."""
        return await self._call(calls.info())

    async def search(self, request: SearchRequest) -> SearchResponse:
        """Answer a search; large sounds are streamed by themselves."""
        return await self._call(calls.search(request))

    async def recommend(self, request: RecommendRequest) -> SearchResponse:
        """Tracks like the positive examples and unlike the negative ones."""
        return await self._call(calls.recommend(request))

    async def get_track(self, track_id: str) -> Track:
        """One track with its whole payload."""
        return await self._call(calls.get_track(track_id))

    async def list_tracks(
        self, filter: Filter | None = None, *, limit: int = 100, after: str | None = None
    ) -> TrackPage:
        """Tracks that pass the filter, in a stable order; ``after`` continues a page."""
        return await self._call(calls.list_tracks(filter, limit, after))

    async def count_tracks(self, filter: Filter | None = None) -> int:
        """Exact number of tracks that pass the filter."""
        return await self._call(calls.count_tracks(filter))

    async def facets(
        self, field: str, filter: Filter | None = None, *, limit: int = 100
    ) -> tuple[FacetCount, ...]:
        """Values of a field with their exact track counts, most frequent first."""
        return await self._call(calls.facets(field, filter, limit))

    async def spaces(self) -> tuple[SpaceStatus, ...]:
        """The library's spaces, by name."""
        return await self._call(calls.spaces())

    async def declare(
        self,
        spaces: Sequence[EmbeddingSpace],
        fields: Sequence[Field] = (),
        replacing: Collection[str] = (),
    ) -> LibraryInfo:
        """Create the library if need be and add what it lacks; see ``LibraryWriter.declare``."""
        return await self._call(calls.declare(spaces, fields, replacing))

    async def write(self, records: Sequence[TrackRecord]) -> None:
        """Write whole tracks, in one stream whatever their size."""
        if records:
            await self._call(calls.write(records))

    async def update(self, updates: Sequence[TrackUpdate]) -> None:
        """Change payloads and some vectors; unknown tracks are ignored."""
        for call in calls.update(updates):
            await self._call(call)

    async def fetch(self, track_ids: Sequence[str]) -> tuple[Track, ...]:
        """The tracks among these that exist, in the given order."""
        return tuple([t for call in calls.fetch(track_ids) for t in await self._call(call)])

    async def fetch_records(self, track_ids: Sequence[str]) -> tuple[TrackRecord, ...]:
        """The whole records among these that exist, in the given order, segments included."""
        found = calls.fetch_records(track_ids)
        return tuple([record for call in found for record in await self._call(call)])

    async def read_page(
        self, filter: Filter | None = None, *, limit: int = 256, after: str | None = None
    ) -> RecordPage:
        """Tracks that pass the filter, whole, segments included."""
        page = await self.list_tracks(filter, limit=limit, after=after)
        ids = [track.id for track in page.tracks]
        return RecordPage(await self.fetch_records(ids) if ids else (), page.next_after)

    async def delete_tracks(self, track_ids: Sequence[str]) -> int:
        """Delete tracks with their segments; returns how many there were."""
        return sum([await self._call(call) for call in calls.delete_tracks(track_ids)])

    async def get_series(self, track_id: str, names: Collection[str] = ()) -> tuple[Series, ...]:
        """Those of these names that a track has, or all, by name.

        Raises:
            NotFoundError: TRACK_NOT_FOUND.
        """
        return await self._call(series_calls.get_series(track_id, names))

    async def write_series(
        self, track_id: str, series: Sequence[Series], *, replacing: Collection[str] = ()
    ) -> None:
        """Keep series of a track, in the place of those of the same names and of ``replacing``."""
        for call in series_calls.write_series(track_id, series, replacing):
            await self._call(call)

    async def refit(self, space: str) -> Statistics:
        """Fit and freeze the space's statistics on the tracks the library holds now."""
        return await self._call(calls.refit(space))

    async def optimize(self) -> None:
        """Build indexes for what was written; queries go on meanwhile."""
        await self._call(calls.optimize())

    async def close(self) -> None:
        """Close the connection; the service and its library stay as they are."""
        self._closed = True
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
