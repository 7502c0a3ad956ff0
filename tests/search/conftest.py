from __future__ import annotations

import pytest

from retrieval.search import LocalLibrary
from retrieval.store.edge import EdgeStore
from tests.search.catalogue import encoders, fill, make_records


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """A store that no test changes."""
    store = fill(EdgeStore(tmp_path_factory.mktemp("search") / "music"))
    yield store
    store.close()


@pytest.fixture(scope="session")
def library(filled):
    return LocalLibrary(filled, encoders())


@pytest.fixture(scope="session")
def records():
    return {record.id: record for record in make_records()}


@pytest.fixture
def own_store(tmp_path):
    """An empty store of the test's own."""
    store = EdgeStore(tmp_path / "music")
    yield store
    store.close()
