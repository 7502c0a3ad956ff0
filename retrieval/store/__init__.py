"""Vector stores behind one protocol; the only modules that know Qdrant."""

from __future__ import annotations

from retrieval.settings import Settings
from retrieval.store.protocol import Store


def open_store(settings: Settings, *, service: bool = False) -> Store:
    """Open the library that the settings name; ``Store.declare`` makes it if it is not there.

    Args:
        settings: ``qdrant_url`` chooses a server; without it the library is embedded, in the
            folder ``data_dir / library``.
        service: Keep an embedded library in a process of its own, so that neither a write nor
            ``optimize`` makes queries wait.

    Raises:
        StoreError: STORE_LOCKED if another process has the library open, STORE_UNAVAILABLE if it
            cannot be reached, STORE_CORRUPT if a part of it is missing or damaged.
    """
    # Engines take long to import, and a client of a running service needs none of them.
    if settings.qdrant_url is not None:
        from retrieval.store.server import ServerStore

        return ServerStore.connect(settings)
    root = settings.data_dir / settings.library
    if service:
        from retrieval.store.owner import OwnerStore

        return OwnerStore(root)
    from retrieval.store.edge import EdgeStore
    from retrieval.store.generations import LibraryFolder

    folder = LibraryFolder(root)
    return EdgeStore(folder.current, on_close=folder.close)
