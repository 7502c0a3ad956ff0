"""Words through the service: who goes away stops waiting, and the log says what texts cost."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from retrieval.client import AsyncClient, Client
from retrieval.core.budget import Budget
from retrieval.core.queries import SearchRequest, TextQuery, WeightedQuery
from retrieval.encoders.lexical import LexicalEncoder
from retrieval.search import LocalLibrary
from retrieval.store import open_store
from tests.service.gated import eventually
from tests.service.running import Running, local_library, settings, tracks


class GatedLexical(LexicalEncoder):
    """The real encoder, whose forward waits at a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.batches: list[int] = []

    def forward_text(self, batch: Sequence[Any]) -> list[Any]:
        """Wait, then as ever."""
        self.batches.append(len(batch))
        assert self.gate.wait(30)
        return super().forward_text(batch)


def search(text: str) -> SearchRequest:
    return SearchRequest((WeightedQuery(TextQuery(text), spaces=("lexical",)),), segments=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    local_library(tmp_path, tracks(8)).close()
    return tmp_path


def test_calls_share_a_forward_and_one_that_is_cancelled_leaves(folder: Path) -> None:
    encoder = GatedLexical()
    library = LocalLibrary(open_store(settings(folder)), {"lexical": encoder})

    async def give_up(address: str) -> None:
        async with AsyncClient(address) as client:
            task = asyncio.create_task(client.search(search("song never")))
            await asyncio.to_thread(eventually, lambda: library.text_counts()["lexical"].asked == 5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    with Running(settings(folder), lambda: library) as running:
        with Client(running.address) as client, ThreadPoolExecutor(4) as threads:
            first = threads.submit(client.search, search("song number 1"))
            eventually(lambda: encoder.batches)
            others = [threads.submit(client.search, search(f"song {n}")) for n in (2, 3, 3)]
            eventually(lambda: library.text_counts()["lexical"].asked == 4)
            asyncio.run(give_up(running.address))
            # Its place is free again although the encoder is as busy as before.
            eventually(lambda: running.service.lanes.queries.in_flight == 4)
            assert not encoder.gate.is_set()
            encoder.gate.set()
            assert first.result(30).hits
            assert all(job.result(30).hits for job in others)
            assert client.search(search("song 3")).hits
        # Counted when asked for, which is just before the text is queued.
        assert encoder.batches[0] == 1
        assert sum(encoder.batches) == 3
    lines = [json.loads(line) for line in running.log.getvalue().splitlines()]
    [told] = [line for line in lines if line["event"] == "texts"]
    assert (told["space"], told["asked"], told["encoded"]) == ("lexical", 6, 3)
    assert told["cached"] + told["shared"] == 2
    assert "song" not in json.dumps(told)


def test_the_cache_is_as_large_as_the_settings_say(folder: Path) -> None:
    encoder = GatedLexical()
    encoder.gate.set()
    for size, forwards in ((0, 2), (1, 1)):
        encoder.batches.clear()
        library = LocalLibrary(
            open_store(settings(folder)),
            {"lexical": encoder},
            text_cache=settings(folder, text_cache=size).text_cache,
        )
        for _ in range(2):
            library.search(search("song"), budget=Budget(30))
        library.close()
        assert len(encoder.batches) == forwards
