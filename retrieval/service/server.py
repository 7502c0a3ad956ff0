"""The service as an object: start, know the port, stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TextIO

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from retrieval.api.v1 import library_pb2, library_pb2_grpc, search_pb2, search_pb2_grpc
from retrieval.core.errors import InvalidInputError, SegueError
from retrieval.service.auth import Auth
from retrieval.service.backend import Backend, ServedLibrary
from retrieval.service.calls import Interceptor
from retrieval.service.credentials import server_credentials
from retrieval.service.guard import Guard
from retrieval.service.lanes import Lanes, Limits
from retrieval.service.library_servicer import LibraryServicer
from retrieval.service.logs import make_logger
from retrieval.service.page_tokens import PageTokens
from retrieval.service.readiness import Readiness
from retrieval.service.search_servicer import SearchServicer
from retrieval.service.telemetry import Telemetry, TextReport
from retrieval.settings import Settings

SERVICES = (
    search_pb2.DESCRIPTOR.services_by_name["SearchService"].full_name,
    library_pb2.DESCRIPTOR.services_by_name["LibraryService"].full_name,
)
REPORT_SECONDS = 60.0
"""How often the log says what texts cost, if any were asked for."""
BACKSTOP = 16
"""Calls the core lets in for each place in our lanes; it refuses health checks too, so it is high.
"""


class Service:
    """A gRPC server over one library.

    Example:
        >>> async def main(settings):
        ...     async with Service(settings, lambda: open_library(settings)) as service:
        ...         print(service.port)
    """

    def __init__(
        self,
        settings: Settings,
        open_library: Callable[[], ServedLibrary],
        address: str = "127.0.0.1:0",
        *,
        log_stream: TextIO | None = None,
    ) -> None:
        """Describe a service; ``start`` makes it.

        Args:
            settings: Limits, token, TLS.
            open_library: Opens the store and loads the encoders; called in a thread, once.
            address: ``HOST:PORT``; port 0 takes a free one.
            log_stream: Where log lines go; standard error by default.
        """
        self._settings = settings
        self._open_library = open_library
        self._address = address
        self.log = make_logger(settings.log_level, log_stream)
        token_key = settings.page_token_key
        tokens = PageTokens(token_key.get_secret_value() if token_key else None)
        self._backend = Backend(tokens, settings.max_upload_bytes)
        self.lanes = Lanes(settings.max_concurrent)
        self.readiness = Readiness(self._backend, SERVICES, self.log)
        self._server: grpc.aio.Server | None = None
        self._stopped = asyncio.Event()
        self._texts = TextReport(self.log)
        self._reporting: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen (NOT_SERVING at first), open the library, become SERVING.

        Raises:
            SegueError: If the address, the credentials or the library are not usable.
        """
        credentials = server_credentials(self._settings)
        self._server = server = grpc.aio.server(
            interceptors=self._interceptors(),
            options=_options(self._settings),
            maximum_concurrent_rpcs=BACKSTOP * self._settings.max_concurrent + 256,
        )
        search_pb2_grpc.add_SearchServiceServicer_to_server(  # type: ignore[no-untyped-call]
            SearchServicer(self._backend), server
        )
        library_pb2_grpc.add_LibraryServiceServicer_to_server(  # type: ignore[no-untyped-call]
            LibraryServicer(self._backend), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self.readiness.servicer, server)
        health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        names = (*SERVICES, health_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        await self.readiness.start()
        try:
            self.port = _bind(server, self._address, credentials)
            await server.start()
            self._backend.library = await self._opened()
            await self.readiness.watch()
            self._reporting = asyncio.create_task(self._report())
        except BaseException:
            await self.stop(0)
            raise
        self.log.info(
            "listening",
            address=self._address,
            port=self.port,
            tls=credentials is not None,
            token=self._settings.token is not None,
        )

    async def _report(self) -> None:
        await self._warn()
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            if self._backend.library is not None:
                self._texts.tell(self._backend.library.text_counts())

    async def _warn(self) -> None:
        """Log which spaces words and sounds cannot be put to: the service starts all the same."""
        library = self._backend.library
        if library is None:
            return
        with contextlib.suppress(SegueError):  # nothing is indexed yet, or the service is stopping
            for status in await asyncio.to_thread(library.spaces):
                if status.problem:
                    self.log.warning("space", space=status.space.name, problem=status.problem)

    async def _opened(self) -> ServedLibrary:
        opening = asyncio.create_task(asyncio.to_thread(self._open_library))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:  # told to stop while starting: leave no lock behind
            with contextlib.suppress(Exception):
                (await opening).close()
            raise

    def _interceptors(self) -> list[Interceptor]:
        chain: list[Interceptor] = [Telemetry(self.log), Guard(self.log)]
        if self._settings.token is not None:
            chain.append(Auth(self._settings.token.get_secret_value()))
        return [*chain, Limits(self.lanes)]

    async def stop(self, grace: float | None = None) -> None:
        """Refuse new calls, let those in progress finish, close the library; idempotent.

        Args:
            grace: Seconds to wait for calls in progress before cancelling them; by default the
                setting ``drain_seconds``.
        """
        if self._stopped.is_set():
            return
        self._stopped.set()
        if self._reporting is not None:
            self._reporting.cancel()
        await self.readiness.drain()
        if self._server is not None:
            await self._server.stop(self._settings.drain_seconds if grace is None else grace)
        library, self._backend.library = self._backend.library, None
        await asyncio.to_thread(self._close, library)
        self.log.info("stopped")

    async def hurry(self) -> None:
        """Cancel the calls that ``stop`` still waits for."""
        if self._server is not None:
            await self._server.stop(0)

    def _close(self, library: ServedLibrary | None) -> None:
        self.lanes.close()
        self.readiness.close()
        if library is not None:
            self._texts.tell(library.text_counts())
            library.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()


def _bind(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError:
        raise InvalidInputError(
            f"cannot listen on {address}: is it HOST:PORT, of this machine, and free?",
            reason="INVALID_SETTING",
            metadata={"address": address},
        ) from None


def _options(settings: Settings) -> list[tuple[str, Any]]:
    return [
        # A second service on the same port is a mistake, not a second worker.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_metadata_size", 16 * 1024),
        ("grpc.keepalive_time_ms", 120_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 30_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Spreads long-lived clients over replicas that were added later.
        ("grpc.max_connection_age_ms", 30 * 60_000),
        ("grpc.max_connection_age_grace_ms", 10 * 60_000),
    ]
