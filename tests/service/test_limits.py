"""Deadlines, cancellation, back-pressure and drain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from retrieval.client import AsyncClient, Client
from retrieval.core.budget import Budget
from retrieval.core.errors import BusyError, CancelledError, DeadlineError, StoreError
from retrieval.core.queries import SearchRequest, TextQuery, WeightedQuery
from retrieval.search import LocalLibrary
from retrieval.service.lanes import Lane
from retrieval.service.uploads import paced
from tests.service.gated import GatedLibrary, eventually
from tests.service.running import Running, settings

SEARCH = SearchRequest((WeightedQuery(TextQuery("song")),))


@pytest.fixture
def gated(local: LocalLibrary) -> GatedLibrary:
    return GatedLibrary(local)


@pytest.fixture
def small(folder: Path, gated: GatedLibrary) -> Iterator[Running]:
    """A service with four places."""
    with Running(settings(folder, max_concurrent=4), lambda: gated) as running:
        yield running
        gated.gate.set()


def health(address: str) -> int:
    with grpc.insecure_channel(address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        return stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status


def test_what_is_too_much_is_refused_with_a_pause_and_health_is_not(
    small: Running, gated: GatedLibrary
) -> None:
    with Client(small.address) as client, ThreadPoolExecutor(4) as threads:
        accepted = [threads.submit(client.search, SEARCH) for _ in range(4)]
        eventually(lambda: small.service.lanes.queries.in_flight == 4)
        with pytest.raises(BusyError) as busy:
            client.search(SEARCH)
        assert busy.value.reason == "QUEUE_FULL"
        assert float(busy.value.metadata["retry_after_seconds"]) > 0
        assert health(small.address) == health_pb2.HealthCheckResponse.SERVING
        # Writes have a lane of their own.
        assert client.delete_tracks(["nobody"]) == 0
        gated.gate.set()
        assert all(job.result(30).hits for job in accepted)
        assert client.search(SEARCH).hits
    assert small.service.lanes.queries.in_flight == 0


def test_a_deadline_that_passes_stops_the_work(small: Running, gated: GatedLibrary) -> None:
    with Client(small.address, timeout=2) as client, ThreadPoolExecutor(1) as threads:
        job = threads.submit(client.search, SEARCH)
        eventually(lambda: gated.waiting == 1)
        with pytest.raises(DeadlineError) as late:
            job.result(30)
    assert late.value.reason == "DEADLINE_EXCEEDED"
    eventually(lambda: gated.cancelled == 1 and gated.waiting == 0)
    eventually(lambda: small.service.lanes.queries.in_flight == 0)


def test_a_cancelled_call_stops_its_work_and_keeps_its_place_until_then(
    small: Running, gated: GatedLibrary
) -> None:
    async def give_up() -> None:
        async with AsyncClient(small.address) as client:
            task = asyncio.create_task(client.search(SEARCH))
            await asyncio.to_thread(eventually, lambda: gated.waiting)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(give_up())
    eventually(lambda: gated.cancelled == 1)
    eventually(lambda: small.service.lanes.queries.in_flight == 0)
    eventually(lambda: '"code": "CANCELLED"' in small.log.getvalue())


def test_drain_lets_calls_finish_refuses_new_ones_and_then_closes(
    folder: Path, gated: GatedLibrary
) -> None:
    with Running(settings(folder), lambda: gated) as running:
        channel = grpc.insecure_channel(running.address)
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        with Client(running.address) as client, ThreadPoolExecutor(1) as threads:
            job = threads.submit(client.search, SEARCH)
            eventually(lambda: gated.waiting == 1)
            stopping = running.begin(running.service.stop(30))
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            eventually(lambda: not running.service.readiness.serving)
            with Client(running.address) as late, pytest.raises(StoreError):
                late.count_tracks()
            assert not gated.closed
            gated.gate.set()
            assert job.result(30).hits
        watch.cancel()
        stopping.result(30)
        assert gated.closed
        channel.close()


def test_a_call_beyond_the_grace_is_cut(folder: Path, gated: GatedLibrary) -> None:
    with Running(settings(folder), lambda: gated) as running:
        with Client(running.address) as client, ThreadPoolExecutor(1) as threads:
            job = threads.submit(client.search, SEARCH)
            eventually(lambda: gated.waiting == 1)
            running.submit(running.service.stop(0.1))
            with pytest.raises((StoreError, CancelledError)):
                job.result(30)
        assert gated.closed


def test_a_lane_refuses_a_deadline_its_queue_cannot_meet() -> None:
    lane = Lane("test", workers=1, capacity=100)

    async def main() -> None:
        gate = threading.Event()
        await lane.run(lambda: gate.wait(0.2), Budget())  # teaches it how long work takes
        assert lane.wait == 0
        with lane.admit(None), lane.admit(None), lane.admit(None):
            assert lane.wait > 0
            with lane.admit(60.0):
                pass
            with pytest.raises(DeadlineError), lane.admit(lane.wait / 2):
                pass
        with pytest.raises(DeadlineError), lane.admit(0.0005):
            pass

    asyncio.run(main())
    lane.close()


def test_work_whose_turn_comes_too_late_is_not_done() -> None:
    lane = Lane("test", workers=1, capacity=100)
    done: list[str] = []

    async def main() -> None:
        gate = threading.Event()
        first = asyncio.create_task(lane.run(gate.wait, Budget()))
        budget = Budget(0.01)
        late = asyncio.create_task(lane.run(lambda: done.append("late"), budget))
        dropped = asyncio.create_task(lane.run(lambda: done.append("dropped"), Budget()))
        await asyncio.sleep(0.05)
        dropped.cancel()
        await asyncio.sleep(0.01)
        gate.set()
        await first
        with pytest.raises(DeadlineError):
            await late
        with pytest.raises(asyncio.CancelledError):
            await dropped

    asyncio.run(main())
    lane.close()
    assert done == []


def test_a_stream_that_stalls_is_ended() -> None:
    async def main() -> list[int]:
        async def stalling() -> AsyncIterator[int]:
            yield 1
            await asyncio.sleep(60)

        stream = paced(stalling(), idle=0.05)
        found = [await anext(stream)]
        with pytest.raises(DeadlineError, match="nothing was sent"):
            await anext(stream)
        return found

    assert asyncio.run(main()) == [1]
