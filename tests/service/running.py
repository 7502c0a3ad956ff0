"""A real service in a thread with a loop of its own, and small real libraries to serve."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from retrieval.core.payload import STANDARD_FIELDS
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord
from retrieval.encoders.registry import default_encoders
from retrieval.search import LocalLibrary
from retrieval.service.backend import ServedLibrary
from retrieval.service.server import Service
from retrieval.settings import Settings
from retrieval.store import open_store

T = TypeVar("T")
GENRES = ("jazz", "rock", "folk", "ambient")


def settings(folder: Path, **changes: Any) -> Settings:
    """Settings of a service in a folder, whatever the environment says."""
    return Settings(_env_file=None, data_dir=folder, **changes)


def tracks(count: int, seed: int = 0) -> list[TrackRecord]:
    """Tracks with plausible payload and vectors of the built-in spaces."""
    encoders = default_encoders()
    perceptual, lexical = encoders["perceptual"], encoders["lexical"]
    anchor = perceptual.space.anchor
    assert anchor is not None
    centre, scale = np.array(anchor.centre), np.array(anchor.scale)
    rng = np.random.default_rng(seed)
    found = []
    for i in range(count):
        payload = {
            "title": f"Song number {i}",
            "artist": f"Artist {i % 7}",
            "genre": (GENRES[i % 4], GENRES[(i // 4) % 4]),
            "bpm": 60.0 + i % 100,
            "year": 1960 + i % 60,
            "paths": (f"/music/{i}.flac", f"/music/copy of {i}.flac"),
            "duration": 180.5,
        }
        track, *parts = (
            (centre + scale * rng.standard_normal(10)).astype(np.float32) for _ in range(4)
        )
        segments = tuple(
            SegmentRecord(Span(10.0 * at, 10.0 * at + 10), {"perceptual": part})
            for at, part in enumerate(parts)
        )
        words = lexical.encode_words(payload)
        vectors = {"perceptual": track, "lexical": words}
        found.append(TrackRecord(f"t{i:05d}", payload, vectors, segments))
    return found


def local_library(folder: Path, records: list[TrackRecord] | None = None) -> LocalLibrary:
    """A real embedded library in this process, with records in it."""
    encoders = default_encoders()
    library = LocalLibrary(open_store(settings(folder)), encoders)
    if records is not None:
        library.declare(encoders.spaces(), STANDARD_FIELDS)
        library.write(records)
        library.refit("perceptual")
        library.optimize()
    return library


class Running:
    """A service that runs while the context lasts."""

    def __init__(
        self,
        settings: Settings,
        open_library: Callable[[], ServedLibrary],
        address: str = "127.0.0.1:0",
    ) -> None:
        self.log = io.StringIO()
        self._make = lambda: Service(settings, open_library, address, log_stream=self.log)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.service: Service

    def submit(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the service's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def begin(self, work: Coroutine[Any, Any, T]) -> Any:
        """Run a coroutine on the service's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _start(self) -> None:
        self.service = self._make()
        await self.service.start()

    def __enter__(self) -> Self:
        self._thread.start()
        self.submit(self._start())
        return self

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.service.port}"

    def __exit__(self, *_: object) -> None:
        try:
            self.submit(self.service.stop(1))
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(30)
            self._loop.close()
