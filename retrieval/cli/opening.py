"""The one place that opens a library for the commands, here or behind a service."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.cli.state import State

if TYPE_CHECKING:
    from retrieval.core.library import Library
    from retrieval.settings import Settings


@contextmanager
def open_library(state: State) -> Iterator[Library]:
    """The library that the global options name; closed on the way out.

    With ``--address`` everything goes through that service and nothing heavy is imported.

    Raises:
        StoreError: STORE_LOCKED if a service or another command has it open, STORE_UNAVAILABLE if
            nothing answers.
        InvalidInputError: INVALID_SETTING.
    """
    settings = state.settings()
    library = _remote(state, settings) if state.address else _local(settings)
    try:
        yield library
    finally:
        library.close()


def _remote(state: State, settings: Settings) -> Library:
    from retrieval.client import Client

    token = settings.token.get_secret_value() if settings.token else None
    return Client(str(state.address), token=token, tls_ca=state.tls_ca)


def _local(settings: Settings) -> Library:
    from retrieval.audio import Limits
    from retrieval.encoders.registry import default_encoders
    from retrieval.search import LocalLibrary
    from retrieval.store import open_store

    limits = Limits(max_duration=settings.max_upload_duration, max_bytes=settings.max_upload_bytes)
    return LocalLibrary(open_store(settings), default_encoders(), limits=limits)


def manifest_dir(state: State) -> Path:
    """Where the record of what is committed to the named library is kept on this machine.

    A service or server may be reached from several machines, so there the address is part of it.
    """
    settings = state.settings()
    # No library is called so: names start with a letter.
    root = settings.data_dir / ".manifests"
    if state.address:
        return root / _folder("service", state.address)
    if settings.qdrant_url:
        return root / _folder("qdrant", f"{settings.qdrant_url} {settings.library}")
    return root / settings.library


def _folder(kind: str, target: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", target).strip("-")[:60]
    digest = hashlib.sha256(target.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{kind}-{readable}-{digest}".lower()
