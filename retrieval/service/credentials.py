"""TLS and mutual TLS."""

from __future__ import annotations

from pathlib import Path

import grpc

from retrieval.core.errors import InvalidInputError
from retrieval.settings import Settings


def server_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """Credentials of the settings; None for plain text.

    Raises:
        InvalidInputError: INVALID_SETTING if a file is missing, or a part of a pair.
    """
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None:
        if settings.tls_client_ca is not None:
            raise _bad("tls_client_ca", "needs tls_certificate and tls_key besides")
        return None
    if certificate is None or key is None:
        missing = "tls_certificate" if certificate is None else "tls_key"
        raise _bad(missing, "is required: a certificate and its key go together")
    pair = (_read("tls_key", key), _read("tls_certificate", certificate))
    if settings.tls_client_ca is None:
        return grpc.ssl_server_credentials([pair])
    authority = _read("tls_client_ca", settings.tls_client_ca)
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=True)


def _read(setting: str, path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _bad(setting, f"cannot read {path}: {error.strerror}") from None
    if b"-----BEGIN" not in data:
        raise _bad(setting, f"{path} is not a PEM file")
    return data


def _bad(setting: str, message: str) -> InvalidInputError:
    return InvalidInputError(
        f"{setting}: {message}", reason="INVALID_SETTING", metadata={"setting": setting}
    )
