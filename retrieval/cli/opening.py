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
    from retrieval.store.protocol import Store


@contextmanager
def open_library(state: State, *, create: bool = False) -> Iterator[Library]:
    """The library that the global options name; closed on the way out.

    With ``--address`` everything goes through that service and nothing heavy is imported.

    Args:
        state: The global options.
        create: Make the folder of an embedded library that is not there yet.

    Raises:
        StoreError: STORE_LOCKED if a service or another command has it open, STORE_UNAVAILABLE if
            nothing answers.
        PreconditionError: LIBRARY_MISSING if there is no such folder.
        InvalidInputError: INVALID_SETTING.
    """
    settings = state.settings()
    library = _remote(state, settings) if state.address else _local(settings, create=create)
    try:
        yield library
    finally:
        library.close()


def _remote(state: State, settings: Settings) -> Library:
    from retrieval.client import Client

    encrypted = state.tls or state.tls_ca is not None
    return Client(
        str(state.address),
        token=settings.token.get_secret_value() if settings.token else None,
        tls=state.tls,
        tls_ca=state.tls_ca,
        tls_certificate=settings.tls_certificate if encrypted else None,
        tls_key=settings.tls_key if encrypted else None,
    )


def _local(settings: Settings, *, create: bool) -> Library:
    from retrieval.audio import Limits
    from retrieval.encoders.registry import default_encoders
    from retrieval.search import LocalLibrary
    from retrieval.search.calibration_file import folder_of
    from retrieval.search.pictures import load_pictures
    from retrieval.store.series import SeriesFolder

    limits = Limits(max_duration=settings.max_upload_duration, max_bytes=settings.max_upload_bytes)
    _expect(settings, create=create)
    # First, since weights that do not load must leave no library behind.
    encoders, pictures = default_encoders(settings), load_pictures(settings)
    return LocalLibrary(
        open_store_at(settings, create=create),
        encoders,
        limits=limits,
        text_cache=settings.text_cache,
        calibrations=folder_of(settings),
        series=SeriesFolder.of(settings),
        pictures=pictures,
    )


def open_store_at(settings: Settings, *, create: bool) -> Store:
    """The store that the settings name; reading never leaves an empty folder behind.

    Raises:
        PreconditionError: LIBRARY_MISSING if it is embedded, not there, and not to be created.
        StoreError: As ``retrieval.store.open_store`` does.
    """
    from retrieval.store import open_store

    _expect(settings, create=create)
    return open_store(settings)


def _expect(settings: Settings, *, create: bool) -> None:
    from retrieval.core.errors import PreconditionError

    folder = settings.data_dir / settings.library
    if not (create or settings.qdrant_url or folder.is_dir()):
        raise PreconditionError(
            f"there is no library {settings.library!r} in {settings.data_dir}; index some music "
            "(segue index FOLDER), or name another place with --data or SEGUE_DATA_DIR",
            reason="LIBRARY_MISSING",
            metadata={"library": settings.library, "data_dir": str(settings.data_dir)},
        )


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
