"""The synchronous client."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

import grpc

from retrieval.client import calls
from retrieval.client import series as series_calls
from retrieval.client.calls import Call
from retrieval.client.channel import channel_credentials, metadata, methods, options
from retrieval.client.failures import translate
from retrieval.core.closing import Closing
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


class Client(Closing):
    """A library behind a service; implements ``retrieval.core.library.Library``.

    Every method raises what a library in this process would raise, and besides StoreError
    (SERVICE_UNAVAILABLE) if the service cannot be reached, DeadlineError, BusyError (the service is
    full; ``metadata["retry_after_seconds"]`` says when to try again) and AuthenticationError. Reads
    are tried again by themselves while the service is unavailable for a moment. Safe to share
    between threads.

    Example:
        >>> with Client("localhost:50051") as library:
        ...     request = SearchRequest((WeightedQuery(TextQuery("calm piano")),))
        ...     for hit in library.search(request).hits:
        ...         print(hit.score, hit.track.payload["title"])
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
        """Describe the connection; it is made by the first call.

        Args:
            address: ``HOST:PORT``.
            token: Bearer token, if the service wants one.
            tls: Encrypt the connection; so does each of the following.
            tls_ca: PEM file of the authority that signed the service's certificate; None means the
                usual public ones.
            tls_certificate: PEM file of our own certificate, for services that require one.
            tls_key: PEM file of its key.
            tls_server_name: Name in the service's certificate, where it differs from the address.
            timeout: Seconds a call may take; writes may take 10 times as long, ``refit`` and
                ``optimize`` 120 times.

        Raises:
            InvalidInputError: INVALID_SETTING if the token or the TLS files are not usable.
        """
        self.address = address
        self._timeout = timeout
        self._metadata = metadata(token)
        credentials = channel_credentials(tls, tls_ca, tls_certificate, tls_key, tls_server_name)
        chosen = options(tls_server_name)
        self._channel = (
            grpc.insecure_channel(address, options=chosen)
            if credentials is None
            else grpc.secure_channel(address, credentials, options=chosen)
        )
        self._methods = methods(self._channel)

    def _call(self, call: Call[T]) -> T:
        timeout = self._timeout * call.patience
        method = self._methods[call.method]
        request: Any = iter(call.request) if isinstance(call.request, list) else call.request
        try:
            answer = method(request, timeout=timeout, metadata=self._metadata)
            if call.streams:
                answer = list(answer)
        except grpc.RpcError as error:
            raise translate(error, self.address, timeout) from None
        except ValueError:  # gRPC's word for a closed channel
            raise StoreError("this client is closed", reason="SERVICE_UNAVAILABLE") from None
        return calls.meaning(call, answer, self.address)

    def info(self) -> LibraryInfo:
        """Spaces, fields and statistics.

        Raises:
            PreconditionError: LIBRARY_MISSING if nothing has been indexed yet.
        """
        return self._call(calls.info())

    def search(self, request: SearchRequest) -> SearchResponse:
        """Answer a search; large sounds are streamed by themselves.

        Example:
            >>> hum = AudioQuery(Path("hum.wav").read_bytes())
            >>> library.search(SearchRequest((WeightedQuery(hum),), limit=5))
        """
        return self._call(calls.search(request))

    def recommend(self, request: RecommendRequest) -> SearchResponse:
        """Tracks like the positive examples and unlike the negative ones.

        Example:
            >>> library.recommend(RecommendRequest(positive=("4f1c…",), negative=("90ab…",)))
        """
        return self._call(calls.recommend(request))

    def get_track(self, track_id: str) -> Track:
        """One track with its whole payload.

        Raises:
            NotFoundError: TRACK_NOT_FOUND.
        """
        return self._call(calls.get_track(track_id))

    def list_tracks(
        self, filter: Filter | None = None, *, limit: int = 100, after: str | None = None
    ) -> TrackPage:
        """Tracks that pass the filter, in a stable order; ``after`` continues a page.

        Example:
            >>> page = library.list_tracks(Equals("genre", "jazz"))
            >>> page = library.list_tracks(Equals("genre", "jazz"), after=page.next_after)
        """
        return self._call(calls.list_tracks(filter, limit, after))

    def count_tracks(self, filter: Filter | None = None) -> int:
        """Exact number of tracks that pass the filter."""
        return self._call(calls.count_tracks(filter))

    def facets(
        self, field: str, filter: Filter | None = None, *, limit: int = 100
    ) -> tuple[FacetCount, ...]:
        """Values of a field with their exact track counts, most frequent first.

        Example:
            >>> {count.value: count.count for count in library.facets("genre")}
            {'jazz': 120, 'rock': 77}
        """
        return self._call(calls.facets(field, filter, limit))

    def spaces(self) -> tuple[SpaceStatus, ...]:
        """The library's spaces, by name; ``encoder`` tells what the service can encode."""
        return self._call(calls.spaces())

    def declare(
        self,
        spaces: Sequence[EmbeddingSpace],
        fields: Sequence[Field] = (),
        replacing: Collection[str] = (),
    ) -> LibraryInfo:
        """Create the library if need be and add what it lacks; see ``LibraryWriter.declare``.

        Raises:
            PreconditionError: REVISION_MISMATCH or FIELD_TYPE_CONFLICT.
        """
        return self._call(calls.declare(spaces, fields, replacing))

    def write(self, records: Sequence[TrackRecord]) -> None:
        """Write whole tracks, in one stream whatever their size.

        If it fails, some of the records may have been written; writing them again changes nothing.
        """
        if records:
            self._call(calls.write(records))

    def update(self, updates: Sequence[TrackUpdate]) -> None:
        """Change payloads and some vectors; unknown tracks are ignored."""
        for call in calls.update(updates):
            self._call(call)

    def fetch(self, track_ids: Sequence[str]) -> tuple[Track, ...]:
        """The tracks among these that exist, in the given order."""
        return tuple(track for call in calls.fetch(track_ids) for track in self._call(call))

    def fetch_records(self, track_ids: Sequence[str]) -> tuple[TrackRecord, ...]:
        """The whole records among these that exist, in the given order, segments included."""
        found = calls.fetch_records(track_ids)
        return tuple(record for call in found for record in self._call(call))

    def read_page(
        self, filter: Filter | None = None, *, limit: int = 256, after: str | None = None
    ) -> RecordPage:
        """Tracks that pass the filter, whole, segments included."""
        page = self.list_tracks(filter, limit=limit, after=after)
        records = self.fetch_records([track.id for track in page.tracks]) if page.tracks else ()
        return RecordPage(records, page.next_after)

    def delete_tracks(self, track_ids: Sequence[str]) -> int:
        """Delete tracks with their segments; returns how many there were."""
        return sum(self._call(call) for call in calls.delete_tracks(track_ids))

    def get_series(self, track_id: str, names: Collection[str] = ()) -> tuple[Series, ...]:
        """Those of these names that a track has, or all, by name.

        Raises:
            NotFoundError: TRACK_NOT_FOUND.
        """
        return self._call(series_calls.get_series(track_id, names))

    def write_series(
        self, track_id: str, series: Sequence[Series], *, replacing: Collection[str] = ()
    ) -> None:
        """Keep series of a track, in the place of those of the same names and of ``replacing``."""
        for call in series_calls.write_series(track_id, series, replacing):
            self._call(call)

    def refit(self, space: str) -> Statistics:
        """Fit and freeze the space's statistics on the tracks the library holds now.

        Raises:
            PreconditionError: SPACE_UNAVAILABLE.
        """
        return self._call(calls.refit(space))

    def optimize(self) -> None:
        """Build indexes for what was written; queries go on meanwhile."""
        self._call(calls.optimize())

    def close(self) -> None:
        """Close the connection; the service and its library stay as they are."""
        self._channel.close()
