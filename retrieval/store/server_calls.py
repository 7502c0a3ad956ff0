"""Calls to a Qdrant server: where it is, what its failures mean, what is tried again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar
from urllib.parse import urlsplit

from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.local.qdrant_local import QdrantLocal

from retrieval.core.errors import (
    BusyError,
    InternalError,
    InvalidInputError,
    PreconditionError,
    SegueError,
    StoreError,
)
from retrieval.settings import Settings

OLDEST = (1, 18)
"""The first server that can add a named vector to a collection."""
GRPC_PORT = 6334
_POOL = 4
_TRIES = 3
_PAUSE = 0.1

T = TypeVar("T")


class ServerCalls:
    """A client with its address; every call's failure becomes one of our errors.

    Questions are asked up to three times while the server cannot be reached. Writes are not: one
    that was cut off may still arrive, after newer ones.

    Args:
        client: Over gRPC, or in memory.
        address: Where the server is, for messages; never holds a key.
        timeout: Seconds a call may take, for messages.
    """

    def __init__(self, client: QdrantClient, address: str, timeout: float) -> None:
        self.client = client
        self.address = address
        self._timeout = timeout
        self._closed = False
        self.in_memory = isinstance(client._client, QdrantLocal)  # nothing public tells
        # The in-memory client is a test double of one thread; it loses concurrent writes.
        self._turn: AbstractContextManager[Any] = (
            threading.RLock() if self.in_memory else nullcontext()
        )

    @property
    def closed(self) -> bool:
        """Whether ``close`` was called."""
        return self._closed

    def ask(self, method: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """A call that changes nothing.

        Raises:
            StoreError: STORE_UNAVAILABLE if the server cannot be reached or refuses us.
            PreconditionError: LIBRARY_MISSING if the collection does not exist.
            BusyError: If the server limits our rate.
        """
        for attempt in range(1, _TRIES):
            try:
                return self.tell(method, *args, **kwargs)
            except StoreError as error:
                if self._closed or error.metadata.get("status") != "UNAVAILABLE":
                    raise
                time.sleep(_PAUSE * 4 ** (attempt - 1) * (0.5 + random.random()))
        return self.tell(method, *args, **kwargs)

    def tell(self, method: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """A call that writes, made once; raises as ``ask`` does."""
        if self._closed:
            raise StoreError("the store is closed")
        try:
            with self._turn:
                return method(*args, **kwargs)
        except SegueError:
            raise
        except Exception as error:
            raise self._mapped(error) from error

    def check_version(self) -> None:
        """Make sure that the server is new enough.

        Raises:
            StoreError: If it is too old, or cannot be reached.
        """
        version = "" if self.in_memory else str(self.ask(self.client.info).version)
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if numbers and numbers < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            raise StoreError(
                f"Qdrant at {self.address} is version {version}; Segue needs {oldest} or newer",
                metadata={"version": version, "oldest": oldest},
            )

    def close(self) -> None:
        """Close the connections; idempotent."""
        if not self._closed:
            self._closed = True
            self.client.close()

    def _mapped(self, error: Exception) -> SegueError:
        status, detail = _status(error)
        metadata = {"address": self.address, "status": status}
        if isinstance(error, ResourceExhaustedResponse):
            metadata["retry_after_s"] = str(error.retry_after_s)
            return BusyError(f"Qdrant at {self.address} limits the rate", metadata=metadata)
        if "not found" in detail.lower() and "ollection" in detail:
            return PreconditionError(
                f"there is no such library on Qdrant at {self.address}; index something first",
                reason="LIBRARY_MISSING",
                metadata=metadata,
            )
        match status:
            case "UNAVAILABLE" | "CANCELLED":
                why = "cannot be reached; check SEGUE_QDRANT_URL (the gRPC port, usually 6334)"
            case "DEADLINE_EXCEEDED":
                why = f"did not answer within {self._timeout:g} s (SEGUE_QDRANT_TIMEOUT)"
            case "UNAUTHENTICATED" | "PERMISSION_DENIED":
                why = "refuses the API key (SEGUE_QDRANT_API_KEY)"
            case "UNIMPLEMENTED":
                oldest = ".".join(map(str, OLDEST))
                why = f"lacks something Segue needs; run version {oldest} or newer"
            case "RESOURCE_EXHAUSTED":
                return BusyError(f"Qdrant at {self.address}: {detail}", metadata=metadata)
            case "INTERNAL" | "UNKNOWN" | "ABORTED":
                why = f"failed: {detail}"
            case _:
                return InternalError(f"Qdrant at {self.address}: {detail}", metadata=metadata)
        return StoreError(f"Qdrant at {self.address} {why}", metadata=metadata)


def connect(settings: Settings) -> ServerCalls:
    """A client to the server that the settings name. Does not call it yet.

    Raises:
        InvalidInputError: INVALID_SETTING if the URL is not one.
    """
    host, port, secure = parse_url(settings.qdrant_url or "")
    key = settings.qdrant_api_key
    client = QdrantClient(
        host=host,
        grpc_port=port,
        https=secure,
        prefer_grpc=True,
        api_key=key.get_secret_value() if key is not None else None,
        timeout=max(1, round(settings.qdrant_timeout)),
        check_compatibility=False,  # a request to the REST port, which may be closed
        pool_size=_POOL,
    )
    # Made on first use without a lock otherwise, by whichever threads come first.
    _ = client.grpc_points, client.grpc_collections
    scheme = "https" if secure else "http"
    return ServerCalls(client, f"{scheme}://{host}:{port}", settings.qdrant_timeout)


def parse_url(url: str) -> tuple[str, int, bool]:
    """Host, gRPC port (6334 if none is given) and whether to use TLS.

    Raises:
        InvalidInputError: INVALID_SETTING if the URL is not one, or holds a password or a path.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    else:
        if parts.scheme not in ("http", "https") or parts.path not in ("", "/") or parts.username:
            host = None
    if not host:
        raise InvalidInputError(
            "qdrant_url: give http(s)://host:port of the server's gRPC port, with the key in "
            "SEGUE_QDRANT_API_KEY",
            reason="INVALID_SETTING",
        )
    return host, port or GRPC_PORT, parts.scheme == "https"


def _status(error: Exception) -> tuple[str, str]:
    """The name of a gRPC status and its detail; grpc itself stays out of this layer."""
    code, details = getattr(error, "code", None), getattr(error, "details", None)
    if callable(code) and callable(details):
        return str(getattr(code(), "name", "UNKNOWN")), str(details())
    return "", f"{type(error).__name__}: {error}"
