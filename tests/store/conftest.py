"""Stores under test keep their files in memory where the system has such a place.

An embedded library is some thousand small files; on a busy disk their syncs, which no test here
looks at, would take most of the time.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ROOM = 4 << 30


class Folders:
    """The part of pytest's own factory that the suites use."""

    def __init__(self, root):
        self._root = root

    def mktemp(self, name):
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._root))


@pytest.fixture(scope="session")
def tmp_path_factory():
    spacious = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    root = Path(tempfile.mkdtemp(prefix="segue-tests-", dir=MEMORY if spacious else None))
    yield Folders(root)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def tmp_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("test")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
