"""Every store there is, for suites that run over all of them: add one line per store.

A factory opens the library kept under a folder; called again after ``close`` it opens the same
library again, unless the store is named in ``FORGETFUL``.
"""

from __future__ import annotations

import atexit
import hashlib
import os

from retrieval.core.spaces import Level
from retrieval.settings import Settings
from retrieval.store import open_store
from retrieval.store.server import ServerStore
from retrieval.store.server_calls import connect
from retrieval.store.server_schema import collection
from tests.store.grpc_qdrant import Engine


def edge(folder):
    return open_store(Settings(data_dir=folder))


def owner(folder):
    return open_store(Settings(data_dir=folder), service=True)


def server_in_memory(folder):
    return ServerStore.in_memory()


class OverGrpc(ServerStore):
    """A server of its own, ended with the store."""

    @classmethod
    def start(cls):
        engine = Engine()
        url = f"http://127.0.0.1:{engine.port}"
        store = cls.connect(Settings(qdrant_url=url, library="test"))
        store.engine = engine
        return store

    def close(self):
        super().close()
        self.engine.close()


def server_over_grpc(folder):
    return OverGrpc.start()


def real_server(folder):
    """A library of its own on the server at SEGUE_TEST_QDRANT_URL, removed when the tests end."""
    settings = Settings(
        qdrant_url=os.environ["SEGUE_TEST_QDRANT_URL"],
        library=f"test-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}",
    )
    atexit.register(_remove, settings)
    return open_store(settings)


def _remove(settings):
    calls = connect(settings)
    for level in Level:
        calls.client.delete_collection(collection(settings.library, level))
    calls.close()


FACTORIES = {
    "edge": edge,
    "owner": owner,
    "server-in-memory": server_in_memory,
    "server-over-grpc": server_over_grpc,
}
FORGETFUL = frozenset({"server-in-memory", "server-over-grpc"})
if os.environ.get("SEGUE_TEST_QDRANT_URL"):
    FACTORIES["server"] = real_server
