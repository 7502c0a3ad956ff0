"""Every store there is, for suites that run over all of them: add one line per store.

A factory opens the library kept under a folder; called again after ``close`` it opens the same
library again, unless the store is named in ``FORGETFUL``.
"""

from __future__ import annotations

from retrieval.settings import Settings
from retrieval.store import open_store
from retrieval.store.server import ServerStore


def edge(folder):
    return open_store(Settings(data_dir=folder))


def owner(folder):
    return open_store(Settings(data_dir=folder), service=True)


def server_in_memory(folder):
    return ServerStore.in_memory()


FACTORIES = {"edge": edge, "owner": owner, "server-in-memory": server_in_memory}
FORGETFUL = frozenset({"server-in-memory"})
