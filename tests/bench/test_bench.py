"""Each section of `make bench` runs, small, and says what it should."""

from __future__ import annotations

import importlib.util

import pytest

from tests.bench import engines, updates, video, wire
from tests.bench.__main__ import SECTIONS, main
from tests.bench.measure import Table, interleaved, machine, quantile, show


def cells(table: Table) -> dict[str, tuple[str, ...]]:
    return {row[0]: row[1:] for row in table.rows}


@pytest.mark.slow
def test_wire() -> None:
    latency, throughput = wire.run(tracks=500, queries=20, rounds=2, seconds=0.3)
    assert list(cells(latency)) == list(wire.SIDES)
    assert cells(latency)[wire.SIDES[0]][1] == "1.00x"
    assert list(cells(throughput)) == ["1 client", "8 clients", "32 clients"]
    assert all(int(row[1]) > 0 for row in cells(throughput).values())


@pytest.mark.slow
def test_engines_agree() -> None:
    for table in engines.run(tracks=800, queries=10, rounds=1):
        assert {row[2] for row in cells(table).values()} == {"1.000"}


@pytest.mark.slow
def test_video() -> None:
    found = video.run(tracks=500, queries=10, rounds=1, seconds=4, pairs=4, clips=1)
    latency, watching, cuts, cost = found
    assert list(cells(latency)) == list(video.SIDES)
    assert watching.title.endswith("1 cuts")
    assert all(float(row[-1].removesuffix(" %")) > 30 for row in cuts.rows[:4])
    assert len(cost.rows) == 2


@pytest.mark.slow
def test_updates() -> None:
    (table,) = updates.run(tracks=500, added=100, rounds=1, quiet_seconds=0.5)
    quiet, busy = cells(table).values()
    assert int(quiet[-1]) > 0
    assert int(busy[-1]) > 0


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs the extra [models]")
def test_recommender() -> None:
    from tests.bench import recommender

    (table,) = recommender.run(pairs=200, trials=1, epochs=4)
    assert {"chance", "popularity", "mean vector", "ridge", "mlp"} <= cells(table).keys()


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("librosa") is None, reason="needs the extra [bench]")
def test_indexing() -> None:
    from tests.bench import indexing

    (table,) = indexing.run(files=4, pieces=2, rounds=1)
    assert next(iter(cells(table).values()))[1] == "1.00x"


@pytest.mark.slow
def test_ear() -> None:
    from tests.bench import ear

    encoding, asking = ear.run(seconds=25.0, tracks=40, rounds=1)
    assert all(row[2].endswith("x") for row in encoding.rows)
    assert [row[2] for row in asking.rows] == ["5 ms", "", "1.5 s"]


def test_report(capsys: pytest.CaptureFixture[str]) -> None:
    show(Table("Title", ("", "p50"), (("a side", "1 ms"), ("b", "20 ms")), ("A remark.",)))
    assert (
        capsys.readouterr().out
        == "\nTitle\n            p50\n  a side   1 ms\n  b       20 ms\n  A remark.\n"
    )
    assert "cores" in machine()
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([1.0, 2.0], 0.99) == 2.0
    turns: list[str] = []
    calls = {name: [lambda n=name: turns.append(n)] * 4 for name in "ab"}
    assert {name: len(spent) for name, spent in interleaved(calls, block=2).items()} == {
        "a": 4,
        "b": 4,
    }
    assert "".join(turns) == "aabbaabb"


def test_unknown_sections_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert ", ".join(SECTIONS) in capsys.readouterr().err


def test_describing_costs_are_told_by_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    from retrieval.describe.registry import chosen
    from tests.bench import describe_cost

    monkeypatch.setattr(describe_cost, "SECONDS", 15.0)
    monkeypatch.setattr(describe_cost, "ROUNDS", 1)
    (table,) = describe_cost.run()
    costs = cells(table)
    assert {*chosen("core"), "core set", "all"} <= set(costs)
    assert float(costs["core set"][0]) > 0
