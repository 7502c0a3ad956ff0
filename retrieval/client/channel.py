"""How a client connects: credentials, limits, keepalive, and retries where they are safe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc

from retrieval.api.v1 import library_pb2, library_pb2_grpc, search_pb2, search_pb2_grpc
from retrieval.core.errors import InvalidInputError

MAX_ANSWER_BYTES = 64 * 1024 * 1024
_SERVICES = (
    search_pb2.DESCRIPTOR.services_by_name["SearchService"],
    library_pb2.DESCRIPTOR.services_by_name["LibraryService"],
)
_NO_SIDE_EFFECTS = 1  # google.protobuf.MethodOptions.IdempotencyLevel


def channel_credentials(
    tls: bool,
    ca: Path | None,
    certificate: Path | None,
    key: Path | None,
    server_name: str | None,
) -> grpc.ChannelCredentials | None:
    """Credentials of a channel; None for plain text. Arguments as ``Client``.

    Raises:
        InvalidInputError: INVALID_SETTING if a file cannot be read, or a part of a pair misses.
    """
    if not (tls or ca or certificate or key or server_name):
        return None
    if (certificate is None) != (key is None):
        raise InvalidInputError(
            "tls: a client certificate and its key go together", reason="INVALID_SETTING"
        )
    return grpc.ssl_channel_credentials(
        _read(ca), private_key=_read(key), certificate_chain=_read(certificate)
    )


def _read(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(
            f"tls: cannot read {path}: {error.strerror}", reason="INVALID_SETTING"
        ) from None


def options(server_name: str | None) -> list[tuple[str, Any]]:
    """Channel options."""
    chosen: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.enable_retries", 1),
        ("grpc.service_config", json.dumps(_service_config())),
    ]
    if server_name is not None:
        chosen.append(("grpc.ssl_target_name_override", server_name))
    return chosen


def _service_config() -> Mapping[str, Any]:
    names = [
        {"service": service.full_name, "method": method.name}
        for service in _SERVICES
        for method in service.methods
        if method.GetOptions().idempotency_level == _NO_SIDE_EFFECTS
    ]
    policy = {
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return {"methodConfig": [{"name": names, "retryPolicy": policy}]}


def metadata(token: str | None) -> tuple[tuple[str, str], ...]:
    """Metadata of every call.

    Raises:
        InvalidInputError: INVALID_SETTING if the token has characters that no header can carry.
    """
    if token is None:
        return ()
    if not token.isascii() or not token.isprintable():
        raise InvalidInputError(
            "token: only printable ASCII characters can be sent", reason="INVALID_SETTING"
        )
    return (("authorization", f"Bearer {token}"),)


def methods(channel: Any) -> dict[str, Any]:
    """Every method of both services by its name, on a sync or an aio channel."""
    search = search_pb2_grpc.SearchServiceStub(channel)  # type: ignore[no-untyped-call]
    library = library_pb2_grpc.LibraryServiceStub(channel)  # type: ignore[no-untyped-call]
    return {**vars(search), **vars(library)}
