from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from indexer import Callback, IndexOptions, IndexReport, index
from indexer.synth.catalogue import Tags
from indexer.synth.files import tag
from retrieval.core.library import LibraryWriter
from retrieval.core.payload import STANDARD_FIELDS
from retrieval.core.tracks import Track, TrackRecord
from retrieval.encoders.protocol import Encoder
from retrieval.encoders.registry import EncoderSet, load
from retrieval.search import LocalLibrary
from retrieval.settings import Settings
from retrieval.store import open_store
from retrieval.store.protocol import Store, records
from tests.indexer.encoders import CountingPerceptual, Log
from tests.signals import encode, song, to_int16


class Place:
    """A folder of music, and a library that is indexed from it.

    Attributes:
        workers: Of each run. Starting a process takes longer than a short song.
    """

    workers = 1

    def __init__(self, folder: Path, template: Path) -> None:
        self.music = folder / "music"
        self.music.mkdir(parents=True)
        self.data = folder / "data"
        # Making a library's many indexes takes seconds; a copy of an empty one does not.
        subprocess.run(["cp", "-R", template, self.data], check=True)
        self.log = Log(folder / "log")
        self.encoders: list[Encoder] = [CountingPerceptual(self.log.path), load("lexical")]
        self.store: Store | None = None
        self.library: LibraryWriter = self.open()

    def open(self) -> LocalLibrary:
        self.store = open_store(Settings(data_dir=self.data))
        self.library = LocalLibrary(self.store, EncoderSet(self.encoders))
        return self.library

    def close(self) -> None:
        if self.store is not None:
            self.store.close()
            self.store = None

    def song(
        self,
        name: str,
        seed: int,
        *,
        seconds: float = 1.2,
        title: str = "",
        format: str = "",
        level: float = 1.0,
        **tags: str | int,
    ) -> Path:
        """Write a small song; those of the same seed, level and lossless format sound the same."""
        path = self.music / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = format or path.suffix[1:].lower()
        loud = song(seed, seconds, rate=16_000) * np.float32(level)
        data = encode(to_int16(loud), 16_000, kind)
        if title or tags:
            data = retag(data, kind, title=title, **tags)
        path.write_bytes(data)
        return path

    def index(
        self,
        *paths: Path,
        progress: Callback | None = None,
        stop: Event | None = None,
        **options: object,
    ) -> IndexReport:
        chosen = IndexOptions(**({"workers": self.workers} | options))  # type: ignore[arg-type]
        report = index(
            paths or (self.music,),
            self.library,
            EncoderSet(self.encoders),
            manifest_dir=self.data / "manifests",
            options=chosen,
            progress=progress,
            stop=stop,
        )
        if not report.interrupted:
            settled = report.indexed + report.unchanged + report.updated + report.duplicates
            assert report.found == settled + len(report.failed)
        return report

    def tracks(self) -> list[Track]:
        return [Track(record.id, record.payload) for record in self.records()]

    def track(self, name: str) -> Track:
        """The track that has this path."""
        path = str(self.music / name)
        found = [track for track in self.tracks() if path in track.paths]
        assert len(found) == 1, (name, [track.paths for track in self.tracks()])
        return found[0]

    def records(self) -> list[TrackRecord]:
        assert self.store is not None
        return sorted(records(self.store), key=lambda record: record.id)

    def work(self) -> int:
        """Windows prepared since the last call."""
        count = len([line for line in self.log.lines() if line.startswith("prepare")])
        self.log.path.unlink(missing_ok=True)
        return count


def retag(data: bytes, format: str, *, title: str = "", **tags: str | int) -> bytes:
    """The bytes of a file without tags, with these."""
    values: dict[str, str | int] = {
        "title": title,
        "artist": "",
        "album": "",
        "genre": "",
        "comment": "",
        "year": 0,
        "bpm": 0,
    }
    return tag(data, format, Tags(**(values | tags)))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a library without tracks."""
    folder = tmp_path_factory.mktemp("template") / "data"
    store = open_store(Settings(data_dir=folder))
    store.declare(EncoderSet([load("perceptual"), load("lexical")]).spaces(), STANDARD_FIELDS)
    store.close()
    return folder


@pytest.fixture
def place(tmp_path: Path, template: Path) -> Iterator[Place]:
    made = Place(tmp_path, template)
    yield made
    made.close()
