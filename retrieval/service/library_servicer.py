"""LibraryService: parse, ask or change the library, answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

from retrieval.api.checks import invalid
from retrieval.api.filters import decode_filter
from retrieval.api.hits import encode_facet, mask_track
from retrieval.api.masks import decode_track_mask
from retrieval.api.names import track_id, track_ids
from retrieval.api.records import decode_update, encode_track
from retrieval.api.requests import page_size
from retrieval.api.series import decode_series, encode_series
from retrieval.api.spaces import (
    decode_field,
    decode_space,
    encode_library,
    encode_space_status,
    encode_statistics,
)
from retrieval.api.v1 import library_pb2 as pb
from retrieval.api.v1 import library_pb2_grpc
from retrieval.core.budget import Budget
from retrieval.core.errors import NotFoundError
from retrieval.core.filters import Filter
from retrieval.core.series import SERIES_NAME
from retrieval.service.backend import Backend, ServedLibrary
from retrieval.service.calls import Context
from retrieval.service.ingestion import read_stream, write_stream

T = TypeVar("T")

MAX_BATCH = 1_000
DEFAULT_PAGE = 100

Filtered = pb.ListTracksRequest | pb.CountTracksRequest | pb.FacetsRequest


class LibraryServicer(library_pb2_grpc.LibraryServiceServicer):
    """Adapter over ``Library``, method by method; names are the proto's."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def GetLibrary(  # noqa: N802
        self, request: pb.GetLibraryRequest, context: Context
    ) -> pb.GetLibraryResponse:
        """What the library is made of."""

        def work(library: ServedLibrary, _: Budget) -> pb.GetLibraryResponse:
            return pb.GetLibraryResponse(library=encode_library(library.info()))

        return await self._backend.run(context, work)

    async def GetTrack(  # noqa: N802
        self, request: pb.GetTrackRequest, context: Context
    ) -> pb.GetTrackResponse:
        """One track."""

        def work(library: ServedLibrary, _: Budget) -> pb.GetTrackResponse:
            mask = decode_track_mask(request.read_mask)
            track = library.get_track(track_id(request.name, "name"))
            return pb.GetTrackResponse(track=mask_track(track, mask))

        return await self._backend.run(context, work)

    async def ListTracks(  # noqa: N802
        self, request: pb.ListTracksRequest, context: Context
    ) -> pb.ListTracksResponse:
        """One page of tracks."""

        def work(library: ServedLibrary, _: Budget) -> pb.ListTracksResponse:
            mask = decode_track_mask(request.read_mask)
            after = track_id(request.after, "after") if request.after else None
            if request.page_token:
                library_id = library.info().id
                after = self._backend.tokens.read(request.page_token, request, library_id)
            limit = page_size(request.page_size, DEFAULT_PAGE)
            page = library.list_tracks(_filter(request), limit=limit, after=after)
            message = pb.ListTracksResponse(tracks=[mask_track(t, mask) for t in page.tracks])
            if page.next_after is not None:
                message.next_page_token = self._backend.tokens.make(
                    request, library.info().id, page.next_after
                )
            return message

        return await self._backend.run(context, work)

    async def CountTracks(  # noqa: N802
        self, request: pb.CountTracksRequest, context: Context
    ) -> pb.CountTracksResponse:
        """How many tracks pass a filter."""

        def work(library: ServedLibrary, _: Budget) -> pb.CountTracksResponse:
            return pb.CountTracksResponse(count=library.count_tracks(_filter(request)))

        return await self._backend.run(context, work)

    async def Facets(  # noqa: N802
        self, request: pb.FacetsRequest, context: Context
    ) -> pb.FacetsResponse:
        """The values of a field with their counts."""

        def work(library: ServedLibrary, _: Budget) -> pb.FacetsResponse:
            limit = page_size(request.limit, DEFAULT_PAGE, "limit")
            counts = library.facets(request.field, _filter(request), limit=limit)
            return pb.FacetsResponse(counts=map(encode_facet, counts))

        return await self._backend.run(context, work)

    async def ListEmbeddingSpaces(  # noqa: N802
        self, request: pb.ListEmbeddingSpacesRequest, context: Context
    ) -> pb.ListEmbeddingSpacesResponse:
        """The spaces and their standing."""

        def work(library: ServedLibrary, _: Budget) -> pb.ListEmbeddingSpacesResponse:
            spaces = map(encode_space_status, library.spaces())
            return pb.ListEmbeddingSpacesResponse(spaces=spaces)

        return await self._backend.run(context, work)

    async def GetSeries(  # noqa: N802
        self, request: pb.GetSeriesRequest, context: Context
    ) -> pb.GetSeriesResponse:
        """Series of one track."""

        def work(library: ServedLibrary, _: Budget) -> pb.GetSeriesResponse:
            names = _bounded(request.series, "series")
            found = library.get_series(track_id(request.name, "name"), names)
            return pb.GetSeriesResponse(series=map(encode_series, found))

        return await self._backend.run(context, work)

    async def DeleteTrack(  # noqa: N802
        self, request: pb.DeleteTrackRequest, context: Context
    ) -> pb.DeleteTrackResponse:
        """Delete one track that must exist."""

        def work(library: ServedLibrary, _: Budget) -> pb.DeleteTrackResponse:
            found = track_id(request.name, "name")
            if not library.delete_tracks([found]):
                raise NotFoundError(
                    f"track {found!r} is not in the library", metadata={"track": found}
                )
            return pb.DeleteTrackResponse()

        return await self._backend.run(context, work)

    async def BatchDeleteTracks(  # noqa: N802
        self, request: pb.BatchDeleteTracksRequest, context: Context
    ) -> pb.BatchDeleteTracksResponse:
        """Delete tracks, if they exist."""

        def work(library: ServedLibrary, _: Budget) -> pb.BatchDeleteTracksResponse:
            ids = track_ids(_bounded(request.names, "names"), "names")
            return pb.BatchDeleteTracksResponse(deleted_count=library.delete_tracks(ids))

        return await self._backend.run(context, work)

    async def DeclareSpaces(  # noqa: N802
        self, request: pb.DeclareSpacesRequest, context: Context
    ) -> pb.DeclareSpacesResponse:
        """Create the library, or add to it."""

        def work(library: ServedLibrary, _: Budget) -> pb.DeclareSpacesResponse:
            spaces = [
                decode_space(s, f"spaces[{i}]")
                for i, s in enumerate(_bounded(request.spaces, "spaces"))
            ]
            fields = [
                decode_field(f, f"fields[{i}]")
                for i, f in enumerate(_bounded(request.fields, "fields"))
            ]
            replacing = _bounded(request.replacing, "replacing")
            info = library.declare(spaces, fields, replacing)
            return pb.DeclareSpacesResponse(library=encode_library(info))

        return await self._backend.run(context, work)

    async def WriteTracks(  # noqa: N802
        self, requests: AsyncIterator[pb.WriteTracksRequest], context: Context
    ) -> pb.WriteTracksResponse:
        """Write tracks while they arrive."""
        return await write_stream(requests, self._backend, context)

    async def UpdateTracks(  # noqa: N802
        self, request: pb.UpdateTracksRequest, context: Context
    ) -> pb.UpdateTracksResponse:
        """Change payloads and some vectors."""

        def work(library: ServedLibrary, _: Budget) -> pb.UpdateTracksResponse:
            messages = _bounded(request.updates, "updates")
            library.update([decode_update(u, f"updates[{i}]") for i, u in enumerate(messages)])
            return pb.UpdateTracksResponse()

        return await self._backend.run(context, work)

    async def WriteSeries(  # noqa: N802
        self, request: pb.WriteSeriesRequest, context: Context
    ) -> pb.WriteSeriesResponse:
        """Keep series of one track."""

        def work(library: ServedLibrary, _: Budget) -> pb.WriteSeriesResponse:
            messages = _bounded(request.series, "series")
            series = [decode_series(one, f"series[{i}]") for i, one in enumerate(messages)]
            replacing = _bounded(request.replacing, "replacing")
            for i, name in enumerate(replacing):
                if SERIES_NAME.match(name) is None:
                    raise invalid(f"replacing[{i}]", f"{name[:80]!r} is no name of a series")
            library.write_series(track_id(request.name, "name"), series, replacing=replacing)
            return pb.WriteSeriesResponse()

        return await self._backend.run(context, work)

    async def BatchGetTracks(  # noqa: N802
        self, request: pb.BatchGetTracksRequest, context: Context
    ) -> pb.BatchGetTracksResponse:
        """The tracks that exist among some."""

        def work(library: ServedLibrary, _: Budget) -> pb.BatchGetTracksResponse:
            ids = track_ids(_bounded(request.names, "names"), "names")
            return pb.BatchGetTracksResponse(tracks=map(encode_track, library.fetch(ids)))

        return await self._backend.run(context, work)

    async def ReadTracks(  # noqa: N802
        self, request: pb.ReadTracksRequest, context: Context
    ) -> AsyncIterator[pb.ReadTracksResponse]:
        """Whole records, in parts."""
        ids = track_ids(_bounded(request.names, "names"), "names")
        async for message in read_stream(ids, self._backend, context):
            yield message

    async def RefitSpace(  # noqa: N802
        self, request: pb.RefitSpaceRequest, context: Context
    ) -> pb.RefitSpaceResponse:
        """Fit and freeze a space's statistics."""

        def work(library: ServedLibrary, _: Budget) -> pb.RefitSpaceResponse:
            if not request.space:
                raise invalid("space", "is required")
            return pb.RefitSpaceResponse(statistics=encode_statistics(library.refit(request.space)))

        return await self._backend.run(context, work)

    async def OptimizeLibrary(  # noqa: N802
        self, request: pb.OptimizeLibraryRequest, context: Context
    ) -> pb.OptimizeLibraryResponse:
        """Build indexes."""

        def work(library: ServedLibrary, _: Budget) -> pb.OptimizeLibraryResponse:
            library.optimize()
            return pb.OptimizeLibraryResponse()

        return await self._backend.run(context, work)


def _filter(request: Filtered) -> Filter | None:
    return decode_filter(request.filter) if request.HasField("filter") else None


def _bounded(items: Iterable[T], where: str) -> list[T]:
    found = list(items)
    if len(found) > MAX_BATCH:
        raise invalid(where, f"takes at most {MAX_BATCH} at a time, got {len(found)}")
    return found
