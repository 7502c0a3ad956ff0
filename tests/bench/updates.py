"""What queries feel while tracks are added to a running service and indexed."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from retrieval.cli.child_service import ChildService
from retrieval.client import Client
from tests.bench import corpus
from tests.bench.measure import Table, median, ms, quantile, times


def run(
    *, tracks: int = 20_000, added: int = 2_000, rounds: int = 3, quiet_seconds: float = 8.0
) -> list[Table]:
    """Time one closed-loop client, in quiet and while ``added`` tracks come in."""
    quiet, busy, spans = [], [], []
    with tempfile.TemporaryDirectory() as name:
        rows = corpus.vectors(tracks)
        corpus.build(Path(name), rows)
        probes = corpus.vectors(500, seed=1)
        with ChildService(Path(name), "bench") as service, Client(service.address) as client:
            _ask(client, probes, _elapsed(2.0))
            for turn in range(rounds):
                quiet.append(_ask(client, probes, _elapsed(quiet_seconds)))
                number = tracks + turn * added
                writer = _Writer(service.address, number, corpus.vectors(added, seed=2 + turn))
                writer.start()
                busy.append(_ask(client, probes, lambda: not writer.is_alive()))  # noqa: B023
                writer.join()
                if writer.error is not None:
                    raise writer.error
                spans.append(writer.seconds)
            held = client.count_tracks()
            if held != tracks + rounds * added:
                raise RuntimeError(f"the service holds {held} tracks")
    sides = {"quiet": quiet, f"adding {added} and optimizing": busy}
    p50 = {name: median([quantile(r, 0.50) for r in side]) for name, side in sides.items()}
    p99 = {name: median([quantile(r, 0.99) for r in side]) for name, side in sides.items()}
    worst = {name: median([max(r) for r in side]) for name, side in sides.items()}
    table = tuple(
        (
            name,
            ms(p50[name]),
            times(p50[name] / p50["quiet"]),
            ms(p99[name]),
            times(p99[name] / p99["quiet"]),
            ms(worst[name]),
            f"{median([len(r) for r in side]):.0f}",
        )
        for name, side in sides.items()
    )
    return [
        Table(
            f"Queries while a service of {tracks} tracks grows, {rounds} rounds",
            ("", "p50", "ratio", "p99", "ratio", "slowest", "queries"),
            table,
            (
                f"Writing and optimizing took {median(spans):.1f} s a round. "
                "Aim: p99 at most 3x the quiet p99.",
            ),
        )
    ]


class _Writer(threading.Thread):
    """Adds tracks through the service and has it build their indexes."""

    def __init__(self, address: str, first: int, rows: corpus.Vectors) -> None:
        super().__init__(daemon=True)
        self._address, self._first, self._rows = address, first, rows
        self.seconds = 0.0
        self.error: Exception | None = None

    def run(self) -> None:
        began = time.perf_counter()
        try:
            with Client(self._address, timeout=120) as client:
                for start in range(0, len(self._rows), 250):
                    block = self._rows[start : start + 250]
                    client.write(
                        [corpus.record(self._first + start + i, row) for i, row in enumerate(block)]
                    )
                client.optimize()
        except Exception as error:
            self.error = error
        self.seconds = time.perf_counter() - began


def _ask(client: Client, probes: corpus.Vectors, done: Callable[[], bool]) -> list[float]:
    spent = []
    turn = 0
    while not done():
        request = corpus.request(probes[turn % len(probes)])
        began = time.perf_counter()
        client.search(request)
        spent.append(time.perf_counter() - began)
        turn += 1
    return spent


def _elapsed(seconds: float) -> Callable[[], bool]:
    until = time.perf_counter() + seconds
    return lambda: time.perf_counter() >= until
