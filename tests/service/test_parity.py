"""The same questions through a client and in process get equal answers, and equal errors."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from retrieval.client import AsyncClient, Client
from retrieval.core.errors import SegueError
from retrieval.core.filters import All, AnyOf, Equals, Exists, Not, Range, TextMatch, TrackIds
from retrieval.core.library import Library
from retrieval.core.queries import (
    AudioQuery,
    Fusion,
    FusionMethod,
    RecommendRequest,
    Scaling,
    SearchRequest,
    SegmentQuery,
    TextQuery,
    TrackQuery,
    VectorQuery,
    WeightedQuery,
)
from retrieval.core.tracks import Span
from retrieval.search import LocalLibrary
from tests.service.running import Running
from tests.service.sounds import tone

VALUES = (1.0, 2.0, 3.0, 0.5, 1.0, 60.0, 50.0, 40.0, 30.0, -20.0)
NAN = float("nan")


def search(*queries: Any, **changes: Any) -> SearchRequest:
    return SearchRequest(
        tuple(q if isinstance(q, WeightedQuery) else WeightedQuery(q) for q in queries), **changes
    )


SEARCHES = {
    "vector": search(VectorQuery(VALUES, "perceptual")),
    "vector by length": search(VectorQuery(VALUES)),
    "raw": search(VectorQuery(VALUES, "perceptual", Scaling.RAW)),
    "weights": search(VectorQuery(VALUES, "perceptual", weights={"warmth": 3.0, "rhythm": 0.0})),
    "VA": search(VectorQuery(VALUES, "perceptual", dims=("VA",))),
    "text": search(TextQuery("song number 12")),
    "track": search(TrackQuery("t00007"), limit=25),
    "segment": search(SegmentQuery("t00007", Span(5, 15))),
    "audio": search(AudioQuery(tone(3.0))),
    "fused": search(
        WeightedQuery(TextQuery("song number 5"), 2.0, ("lexical",)),
        WeightedQuery(TrackQuery("t00011"), 0.5),
        VectorQuery(VALUES),
        fusion=Fusion(FusionMethod.WEIGHTED_SCORE),
    ),
    "space weights": search(
        WeightedQuery(TextQuery("song number 5"), space_weights={"lexical": 3.0}),
        WeightedQuery(TrackQuery("t00011"), 0.5, ("perceptual",), {"perceptual": 0.5}),
    ),
    "filtered": search(
        VectorQuery(VALUES),
        filter=All((AnyOf("genre", ("jazz", "folk")), Not(Equals("year", 1970)))),
    ),
    "paged": search(VectorQuery(VALUES), offset=20, limit=7, segments=0),
    "no payload": search(VectorQuery(VALUES), payload_fields=()),
    "some payload": search(VectorQuery(VALUES), payload_fields=("title", "bpm")),
    "no hits": search(VectorQuery(VALUES), filter=TrackIds(("nobody",))),
    # Errors
    "no queries": search(),
    "empty text": search(TextQuery("")),
    "too long": search(TextQuery("x" * 5000)),
    "negative weight": search(WeightedQuery(TextQuery("x"), -1.0)),
    "zero space weight": search(WeightedQuery(TextQuery("x"), space_weights={"lexical": 0.0})),
    "unknown weighted": search(WeightedQuery(TextQuery("x"), space_weights={"nope": 1.0})),
    "weight not asked": search(WeightedQuery(VectorQuery(VALUES), space_weights={"lexical": 1.0})),
    "wrong length": search(VectorQuery((1.0, 2.0))),
    "unknown space": search(VectorQuery(VALUES, "nope")),
    "unknown track": search(TrackQuery("nobody")),
    "unknown segment": search(SegmentQuery("t00007", Span(500, 600))),
    "unknown field": search(VectorQuery(VALUES), filter=Exists("nope")),
    "unknown payload field": search(VectorQuery(VALUES), payload_fields=("nope",)),
    "wrong type": search(VectorQuery(VALUES), filter=Equals("year", "x")),
    "no words": search(VectorQuery(VALUES), filter=TextMatch("title", "..")),
    "bad dim": search(VectorQuery(VALUES, dims=("nope",))),
    "zero weights": search(VectorQuery(VALUES, weights={"warmth": -1.0})),
    "not audio": search(AudioQuery(b"this is no sound")),
    "empty audio": search(AudioQuery(b"")),
    "silent": search(AudioQuery(tone(3.0, level=0.0))),
    "bad k": search(TextQuery("x"), fusion=Fusion(k=0)),
    "bad segments": search(TextQuery("x"), segments=21),
    "bad offset": search(TextQuery("x"), offset=10_001),
}

RECOMMENDS = {
    "positive": RecommendRequest(("t00001", "t00002")),
    "negative": RecommendRequest(("t00001",), ("t00003", "t00004"), limit=30),
    "filtered": RecommendRequest(("t00001",), filter=Range("bpm", gte=80, lt=100.5), segments=1),
    "some payload": RecommendRequest(("t00001",), payload_fields=("title",)),
    "space weights": RecommendRequest(("t00001",), space_weights={"perceptual": 2.0}),
    "bad space weight": RecommendRequest(("t00001",), space_weights={"perceptual": NAN}),
    "nobody": RecommendRequest(()),
    "unknown": RecommendRequest(("nobody",)),
    "both": RecommendRequest(("t00001",), ("t00001",)),
}


def first_page_end(library: Library) -> str | None:
    page = library.list_tracks(limit=10)
    assert page.next_after is not None
    return page.next_after


READS: dict[str, Callable[[Library], Any]] = {
    "info": lambda library: library.info(),
    "spaces": lambda library: library.spaces(),
    "track": lambda library: library.get_track("t00042"),
    "no track": lambda library: library.get_track("nobody"),
    "bad track": lambda library: library.get_track("a/b"),
    "list": lambda library: library.list_tracks(limit=10),
    "list after": lambda library: library.list_tracks(limit=10, after=first_page_end(library)),
    "list after nobody": lambda library: library.list_tracks(limit=10, after="nobody"),
    "list after nonsense": lambda library: library.list_tracks(limit=10, after="a/b"),
    "list end": lambda library: library.list_tracks(limit=1000),
    "list filtered": lambda library: library.list_tracks(Equals("genre", "jazz"), limit=5),
    "list none": lambda library: library.list_tracks(limit=0),
    "count": lambda library: library.count_tracks(),
    "count filtered": lambda library: library.count_tracks(TextMatch("title", "number 7")),
    "count nothing": lambda library: library.count_tracks(Equals("title", "nothing")),
    "facets": lambda library: library.facets("genre"),
    "facets of numbers": lambda library: library.facets("year", Equals("genre", "folk"), limit=5),
    "facets of floats": lambda library: library.facets("bpm"),
    "facets of nothing": lambda library: library.facets("nope"),
    "fetch": lambda library: library.fetch(["t00003", "nobody", "t00001"]),
    "fetch none": lambda library: library.fetch([]),
}


def outcome(call: Callable[[], Any]) -> Any:
    """An answer without its time, or the class, reason and kind of an error."""
    try:
        answer = call()
    except SegueError as error:
        return type(error), error.reason, error.kind
    return replace(answer, took_ms=0.0) if hasattr(answer, "took_ms") else answer


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_agree(name: str, local: LocalLibrary, client: Client) -> None:
    request = SEARCHES[name]
    here = outcome(lambda: local.search(request))
    assert outcome(lambda: client.search(request)) == here


@pytest.mark.parametrize("name", RECOMMENDS)
def test_recommendations_agree(name: str, local: LocalLibrary, client: Client) -> None:
    request = RECOMMENDS[name]
    here = outcome(lambda: local.recommend(request))
    assert outcome(lambda: client.recommend(request)) == here


@pytest.mark.parametrize("name", READS)
def test_reads_agree(name: str, local: LocalLibrary, client: Client) -> None:
    here = outcome(lambda: READS[name](local))
    assert outcome(lambda: READS[name](client)) == here


def test_the_asynchronous_client_agrees(running: Running, local: LocalLibrary) -> None:
    async def ask() -> tuple[Any, ...]:
        async with AsyncClient(running.address) as library:
            with pytest.raises(SegueError) as missing:
                await library.get_track("nobody")
            return (
                await library.search(SEARCHES["fused"]),
                await library.recommend(RECOMMENDS["negative"]),
                await library.list_tracks(limit=10),
                await library.facets("genre"),
                await library.spaces(),
                await library.fetch(["t00001"]),
                await library.count_tracks(),
                missing.value.reason,
            )

    answers = asyncio.run(ask())
    assert outcome(lambda: answers[0]) == outcome(lambda: local.search(SEARCHES["fused"]))
    assert outcome(lambda: answers[1]) == outcome(lambda: local.recommend(RECOMMENDS["negative"]))
    assert answers[2:] == (
        local.list_tracks(limit=10),
        local.facets("genre"),
        local.spaces(),
        local.fetch(["t00001"]),
        100,
        "TRACK_NOT_FOUND",
    )


def test_both_clients_offer_the_whole_library() -> None:
    wanted = {name for name, _ in inspect.getmembers(Library, inspect.isfunction)} - {"__init__"}
    for name in (n for n in wanted if not n.startswith("_")):
        plain = inspect.signature(getattr(Client, name)).parameters
        assert list(plain) == list(inspect.signature(getattr(Library, name)).parameters)
        assert list(plain) == list(inspect.signature(getattr(AsyncClient, name)).parameters)
        if name != "close":
            assert inspect.iscoroutinefunction(getattr(AsyncClient, name))
