"""A service whose encoder is of another revision than the library: it serves what fits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrieval.client import Client
from retrieval.core.errors import PreconditionError
from retrieval.core.queries import SearchRequest, TextQuery, TrackQuery, WeightedQuery
from retrieval.core.tracks import TrackRecord
from retrieval.encoders.ear import EarEncoder
from retrieval.encoders.registry import default_encoders
from tests.service.running import Running, local_library, settings, tracks

EAR = EarEncoder().space
OLD = replace(EAR, revision="ear of last year")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Client, Running]]:
    library = local_library(tmp_path)
    others = [space for space in default_encoders().spaces() if space.name != "ear"]
    library.declare([*others, OLD])
    rng = np.random.default_rng(0)
    records = []
    for record in tracks(6):
        heard = rng.normal(size=EAR.dim).astype(np.float32)
        records.append(replace(record, vectors={**record.vectors, "ear": heard}))
    library.write(records)
    with (
        Running(settings(tmp_path), lambda: library) as running,
        Client(running.address) as client,
    ):
        yield client, running


def ask(text: str, *spaces: str) -> SearchRequest:
    return SearchRequest((WeightedQuery(TextQuery(text), spaces=spaces),))


def test_it_serves_the_spaces_that_fit_and_tells_of_the_other(
    served: tuple[Client, Running],
) -> None:
    client, running = served
    assert running.service.readiness.serving
    answer = client.search(ask("song number 3"))
    assert answer.hits
    assert {one.space for one in answer.spaces} == {"lexical"}
    (left,) = answer.left_out
    assert (left.space, left.reason) == ("ear", "REVISION_MISMATCH")
    assert "segue index --upgrade" in left.message
    problems = {one.space.name: one.problem for one in client.spaces()}
    assert problems == {"ear": left.message, "lexical": "", "perceptual": ""}
    with pytest.raises(PreconditionError) as caught:
        client.search(ask("piano", "ear"))
    assert caught.value.reason == "REVISION_MISMATCH"
    like = WeightedQuery(TrackQuery("t00001"), spaces=("ear",))
    assert len(client.search(SearchRequest((like,))).hits) == 5
    deadline = time.monotonic() + 30.0
    while '"problem"' not in running.log.getvalue():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    lines = [json.loads(line) for line in running.log.getvalue().splitlines()]
    (warned,) = [line for line in lines if "problem" in line and "space" in line]
    assert (warned["space"], warned["problem"]) == ("ear", left.message)


def test_a_client_brings_it_up_to_date_while_it_serves(served: tuple[Client, Running]) -> None:
    client, _ = served
    with pytest.raises(PreconditionError) as caught:
        client.declare([EAR])
    assert "segue index --upgrade" in caught.value.message
    assert client.declare([EAR], replacing=["ear"]).spaces["ear"] == EAR
    empty = client.search(ask("calm piano"))
    assert empty.left_out == ()
    assert {one.space.name: one.tracks for one in client.spaces()}["ear"] == 0
    whole = client.fetch_records(["t00002"])[0]
    fresh = {**whole.vectors, "ear": np.ones(EAR.dim, np.float32)}
    client.write([TrackRecord(whole.id, whole.payload, fresh, whole.segments)])
    assert [hit.track.id for hit in client.search(ask("calm piano", "ear")).hits] == ["t00002"]
