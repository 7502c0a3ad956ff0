"""Every store under test, empty or filled."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from retrieval.core.spaces import Level
from tests.folders import fast
from tests.store.factories import FACTORIES
from tests.store.library import FIELDS, SPACES, TRACKS, record
from tests.store.oracle import OracleStore

pytest.register_assert_rewrite("tests.store.agreement")


class Folders:
    """The part of pytest's own factory that the suites use."""

    def __init__(self, root):
        self._root = root

    def mktemp(self, name):
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._root))


@pytest.fixture(scope="session")
def tmp_path_factory():
    root = Path(tempfile.mkdtemp(prefix="segue-tests-", dir=fast()))
    yield Folders(root)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="module", params=sorted(FACTORIES))
def name(request):
    return request.param


@pytest.fixture
def opener(name, tmp_path):
    """Opens the store, and closes whatever is still open in the end."""
    opened = []

    def open_again():
        opened.append(FACTORIES[name](tmp_path))
        return opened[-1]

    yield open_again
    for store in opened:
        store.close()


@pytest.fixture(scope="module")
def shared(name, tmp_path_factory):
    store = FACTORIES[name](tmp_path_factory.mktemp("shared"))
    store.declare(SPACES, FIELDS)
    yield store
    store.close()


@pytest.fixture
def store(shared):
    """A declared library without tracks."""
    shared.delete([r.id for r in shared.scroll(limit=1000)[0]])
    assert shared.count() == shared.count(level=Level.SEGMENT) == 0
    return shared


@pytest.fixture(scope="module")
def filled(name, tmp_path_factory):
    """A store and the oracle with the same tracks, for tests that only ask."""
    store, oracle = FACTORIES[name](tmp_path_factory.mktemp("filled")), OracleStore()
    for each in (store, oracle):
        each.declare(SPACES, FIELDS)
        each.write([record(n) for n in range(TRACKS)])
    yield store, oracle
    store.close()
