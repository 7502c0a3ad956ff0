"""gRPC Search with a vector against the same engine call in this process."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

from retrieval.cli.child_service import ChildService
from retrieval.client import Client
from retrieval.core.queries import SearchRequest
from retrieval.encoders.registry import EncoderSet
from retrieval.search import LocalLibrary
from retrieval.settings import Settings
from retrieval.store import open_store
from tests.bench import corpus
from tests.bench.measure import Table, interleaved, median, ms, quantile, times

CLIENTS = (1, 8, 32)
SIDES = ("engine call", "in-process Search", "gRPC Search")


def run(
    *, tracks: int = 20_000, queries: int = 600, rounds: int = 5, seconds: float = 2.0
) -> list[Table]:
    """Latency one after the other, and throughput by clients."""
    with tempfile.TemporaryDirectory() as name:
        here, there = Path(name) / "here", Path(name) / "there"
        rows = corpus.vectors(tracks)
        settings = corpus.build(here, rows)
        # The embedded store has one owner: the service gets a library of its own.
        shutil.copytree(here, there)
        probes = corpus.vectors(queries, seed=1)
        with ChildService(there, "bench", {"SEGUE_MAX_CONCURRENT": "256"}) as service:
            latency = _latency(settings, service.address, probes, rounds)
            throughput = _throughput(settings, service.address, probes, rounds, seconds)
    return [latency, throughput]


def _latency(settings: Settings, address: str, probes: corpus.Vectors, rounds: int) -> Table:
    store = open_store(settings)
    library = LocalLibrary(store, EncoderSet(()))
    client = Client(address)
    try:
        sides: dict[str, list[Callable[[], object]]] = {
            SIDES[0]: [partial(store.search, [corpus.engine_query(p)]) for p in probes],
            SIDES[1]: [partial(library.search, corpus.request(p)) for p in probes],
            SIDES[2]: [partial(client.search, corpus.request(p)) for p in probes],
        }
        interleaved({name: calls[:100] for name, calls in sides.items()})
        measured = [interleaved(sides) for _ in range(rounds)]
    finally:
        client.close()
        library.close()
    p50 = {name: median([quantile(r[name], 0.50) for r in measured]) for name in SIDES}
    p99 = {name: median([quantile(r[name], 0.99) for r in measured]) for name in SIDES}
    rows = tuple(
        (
            name,
            ms(p50[name]),
            times(p50[name] / p50[SIDES[0]]),
            ms(p99[name]),
            times(p99[name] / p99[SIDES[0]]),
        )
        for name in SIDES
    )
    over = p50[SIDES[2]] - p50[SIDES[0]]
    return Table(
        f"Wire, one call after the other: top 10 with payload, {rounds} rounds of {len(probes)}",
        ("", "p50", "ratio", "p99", "ratio"),
        rows,
        (f"The wire costs {ms(over)} at p50 (aim: at most 1 ms).",),
    )


def _throughput(
    settings: Settings, address: str, probes: corpus.Vectors, rounds: int, seconds: float
) -> Table:
    rates: dict[tuple[str, int], list[float]] = {}
    requests = [corpus.request(probe) for probe in probes[:200]]
    library = LocalLibrary(open_store(settings), EncoderSet(()))
    try:
        for _ in range(max(1, rounds // 2)):
            for count in CLIENTS:
                inside = _ask_in_threads(library.search, requests, count, seconds)
                rates.setdefault((SIDES[1], count), []).append(inside / seconds)
                outside = _ask_in_processes(address, requests, count, seconds)
                rates.setdefault((SIDES[2], count), []).append(outside / seconds)
    finally:
        library.close()
    middle = {key: median(values) for key, values in rates.items()}
    rows = tuple(
        (
            f"{count} client{'s' if count > 1 else ''}",
            f"{middle[SIDES[1], count]:.0f}",
            f"{middle[SIDES[2], count]:.0f}",
            times(middle[SIDES[2], count] / middle[SIDES[1], count]),
        )
        for count in CLIENTS
    )
    return Table(
        "Wire, throughput in searches per second",
        ("", "in process", "gRPC", "ratio"),
        rows,
        (
            "In process the clients are threads; over gRPC they are spread over up to 4 processes,",
            "which share the machine's cores with the service.",
        ),
    )


def _ask_in_threads(
    ask: Callable[[SearchRequest], object],
    requests: list[SearchRequest],
    clients: int,
    seconds: float,
) -> int:
    """Answers to so many closed-loop clients within the time."""
    answers = [0] * clients
    until = time.perf_counter() + seconds

    def client(number: int) -> None:
        turn = number
        while time.perf_counter() < until:
            ask(requests[turn % len(requests)])
            answers[number] += 1
            turn += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answers)


def _ask_in_processes(
    address: str, requests: list[SearchRequest], clients: int, seconds: float
) -> int:
    count = min(4, clients)
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(count), context.SimpleQueue()
    shares = [clients // count + (number < clients % count) for number in range(count)]
    processes = [
        context.Process(target=_asker, args=((address, share, seconds), requests, barrier, results))
        for share in shares
    ]
    for process in processes:
        process.start()
    total = sum(int(results.get()) for _ in processes)
    for process in processes:
        process.join()
    return total


def _asker(
    task: tuple[str, int, float],
    requests: list[SearchRequest],
    barrier: Barrier,
    results: multiprocessing.SimpleQueue[int],
) -> None:
    address, clients, seconds = task
    with Client(address) as client:
        for request in requests[:20]:
            client.search(request)
        barrier.wait()
        results.put(_ask_in_threads(client.search, requests, clients, seconds))
