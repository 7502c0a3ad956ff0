"""The service as a process: open, serve, and drain when told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from retrieval.service.backend import ServedLibrary
from retrieval.service.server import Service
from retrieval.settings import Settings


def open_library(settings: Settings) -> ServedLibrary:
    """The library of the settings; loads the engines.

    Raises:
        SegueError: If the store is locked or gone, or an encoder cannot load.
    """
    from retrieval.service.library import OwnLibrary

    return OwnLibrary(settings)


def serve(
    settings: Settings,
    address: str = "127.0.0.1:50051",
    *,
    port_file: Path | None = None,
    open_library: Callable[[Settings], ServedLibrary] = open_library,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return. A second signal does not wait.

    Args:
        settings: Where the library lives, and the limits.
        address: ``HOST:PORT``; port 0 takes a free one and prints ``HOST:PORT``.
        port_file: Written once the service is ready: the port, in decimal. Gone when it stopped.
        open_library: Opens the library.

    Raises:
        SegueError: If the address, the credentials or the library are not usable.
    """
    host, _, asked = address.rpartition(":")

    def ready(port: int) -> None:
        if port_file is not None:
            port_file.write_text(f"{port}\n")
        if asked == "0":
            sys.stdout.write(f"{host}:{port}\n")
            sys.stdout.flush()

    service = Service(settings, lambda: open_library(settings), address)
    if settings.token is not None and settings.tls_certificate is None and not _local(host):
        service.log.warning("the token travels in plain text: set tls_certificate and tls_key")
    try:
        asyncio.run(_run(service, ready))
    finally:
        if port_file is not None:
            port_file.unlink(missing_ok=True)


async def _run(service: Service, ready: Callable[[int], None]) -> None:
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, number)
    starting = asyncio.create_task(service.start())
    told = asyncio.create_task(signals.get())
    await asyncio.wait([starting, told], return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        return
    await starting
    ready(service.port)
    service.log.info("draining", signal=(await told).name)
    stopping = asyncio.create_task(service.stop())
    told = asyncio.create_task(signals.get())
    await asyncio.wait([stopping, told], return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        await service.hurry()
    told.cancel()
    await stopping


def _local(host: str) -> bool:
    if host in ("localhost", "") or host.startswith("unix"):
        return host != ""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
