"""Health: serving only while the library answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from grpc_health.v1 import health, health_pb2

from retrieval.core.errors import PreconditionError
from retrieval.service.backend import Backend
from retrieval.service.logs import Logger

INTERVAL = 5.0
PATIENCE = 15.0
"""Seconds between probes, and seconds an answer may take."""

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Readiness:
    """Keeps the standard health service true. "" and every service of ours share one state."""

    def __init__(self, backend: Backend, services: Sequence[str], log: Logger) -> None:
        """Start as NOT_SERVING.

        Args:
            backend: Asked in a thread of its own: busy lanes are no dead store.
            services: Full names.
            log: Told when the state changes.
        """
        self.servicer = health.aio.HealthServicer()
        self.serving = False
        self._backend = backend
        self._names = ("", *services)
        self._log = log
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="segue-health")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Publish the first state; call before the server listens."""
        for name in self._names:
            await self.servicer.set(name, _NOT_SERVING)

    async def watch(self, interval: float = INTERVAL) -> None:
        """Probe now, and then again and again in the background."""
        await self.probe()
        self._task = asyncio.create_task(self._repeat(interval))

    async def _repeat(self, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await self.probe()

    async def probe(self) -> bool:
        """Ask the library and publish the answer."""
        loop = asyncio.get_running_loop()
        problem = ""
        try:
            async with asyncio.timeout(PATIENCE):
                await loop.run_in_executor(self._thread, self._ask)
        except TimeoutError:
            problem = f"no answer within {PATIENCE:g} s"
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if self.serving is bool(problem):
            self.serving = not problem
            self._log.info("health", serving=self.serving, problem=problem)
            for name in self._names:
                await self.servicer.set(name, _SERVING if self.serving else _NOT_SERVING)
        return self.serving

    def _ask(self) -> None:
        try:
            self._backend.opened().list_tracks(limit=1)
        except PreconditionError:
            return  # nothing indexed yet: the store answers, and waits for writers

    async def drain(self) -> None:
        """Become NOT_SERVING for good, so that balancers send calls elsewhere."""
        if self._task is not None:
            self._task.cancel()
        self.serving = False
        await self.servicer.enter_graceful_shutdown()

    def close(self) -> None:
        """Let the probing thread end."""
        self._thread.shutdown(wait=False, cancel_futures=True)
