"""One service over a real embedded library of a hundred tracks, shared by the tests that read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.client import Client
from retrieval.search import LocalLibrary
from tests.service.running import Running, local_library, settings, tracks


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("library")


@pytest.fixture(scope="package")
def local(folder: Path) -> LocalLibrary:
    return local_library(folder, tracks(100))


@pytest.fixture(scope="package")
def running(folder: Path, local: LocalLibrary) -> Iterator[Running]:
    with Running(settings(folder), lambda: local) as running:
        yield running


@pytest.fixture(scope="package")
def client(running: Running) -> Iterator[Client]:
    with Client(running.address) as client:
        yield client
