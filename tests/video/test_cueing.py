"""Hits fitted to a clip: in-points in the answer, and an order that counts them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval.core.errors import InvalidInputError
from retrieval.core.queries import SearchRequest, SearchResponse, VideoQuery, WeightedQuery
from retrieval.core.series import Series
from retrieval.core.video import VIDEO_DIMS, Source, VideoFeatures, VideoSeries
from retrieval.encoders.registry import EncoderSet
from retrieval.search import LocalLibrary
from retrieval.search.cueing import FIT_SHARE
from retrieval.store.series import SeriesFolder
from tests.video.shelf import ENCODER, Shelf, fill

COUNT = 80
CUTS = np.array([2.0, 3.0, 5.0, 6.5, 8.0])


def beats(step: float) -> list[Series]:
    times = np.arange(0.5, 60.0, step)
    return [
        Series("beats", np.zeros(len(times), np.uint8), times=times),
        Series("downbeats", np.ones(len(times[::4]), np.uint8), times=times[::4]),
    ]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Every third track meets cuts at half seconds, every third cannot, the rest is unknown."""
    folder = tmp_path_factory.mktemp("cueing")
    shelf = fill(folder / "store", COUNT)
    series = SeriesFolder(folder / "series")
    shelf.library = LocalLibrary(shelf.store, EncoderSet([ENCODER]), series=series)
    for number in range(COUNT):
        if number % 3 < 2:
            shelf.library.write_series(f"t{number:05d}", beats(0.5 if number % 3 else 0.873))
    damaged = next((folder / "series").rglob("t00001.npz"))
    damaged.write_bytes(b"PK")
    yield shelf
    shelf.library.close()


def query(cues: int = 50, cuts: np.ndarray = CUTS, duration: float | None = 10.0) -> VideoQuery:
    values = tuple(50.0 if name == "narrative_pace" else 0.0 for name in VIDEO_DIMS)
    sources = tuple(Source.GIVEN if value else Source.UNAVAILABLE for value in values)
    seen = VideoSeries(np.zeros((10, 5), np.float32), cuts)
    known = VideoFeatures(values, sources, "", seen, duration)
    return VideoQuery(features=known, cues=cues)


def ids(answer: SearchResponse) -> list[str]:
    return [hit.track.id for hit in answer.hits]


def test_nearness_and_fit_make_the_order(shelf: Shelf) -> None:
    plain = shelf.ask(query(0), limit=COUNT)
    assert all(hit.cue is None for hit in plain.hits)
    answer = shelf.ask(query(), limit=COUNT)
    assert ids(answer)[50:] == ids(plain)[50:], "what is far is not fitted"
    assert all(hit.cue is None for hit in answer.hits[50:])
    cues = {hit.track.id: hit.cue for hit in answer.hits}
    for number in range(COUNT):
        cue = cues[f"t{number:05d}"]
        if ids(plain).index(f"t{number:05d}") >= 50 or number % 3 == 2 or number == 1:
            assert cue is None
        else:
            assert cue is not None
            assert (cue.on_beat == len(CUTS)) == (number % 3 == 1)
    known = [cue.score for cue in cues.values() if cue is not None]
    usual = np.mean(known)

    def place(track: str) -> float:
        cue = cues[track]
        fit = usual if cue is None else cue.score
        return (1 - FIT_SHARE) * (1 - ids(plain).index(track) / 50) + FIT_SHARE * fit

    places = [place(track) for track in ids(answer)[:50]]
    assert places == sorted(places, reverse=True)
    assert ids(answer)[:50] != ids(plain)[:50]


def test_pages_are_of_one_order(shelf: Shelf) -> None:
    whole = ids(shelf.ask(query(20), limit=30))
    pages = (shelf.ask(query(20), limit=5, offset=n) for n in range(0, 30, 5))
    assert [track for page in pages for track in ids(page)] == whole
    first = shelf.ask(query(20), limit=5)
    assert first.more
    assert not shelf.ask(query(20), limit=5, offset=COUNT - 5).more


@pytest.mark.parametrize(
    "asked", [query(cuts=np.empty(0)), query(duration=None), VideoQuery((0.0,) * 10)]
)
def test_without_cuts_the_order_is_by_distance(shelf: Shelf, asked: VideoQuery) -> None:
    answer = shelf.ask(asked, limit=10)
    distances = [hit.evidence[0].distance for hit in answer.hits]
    assert distances == sorted(distances)  # type: ignore[type-var]
    assert all(hit.cue is None for hit in answer.hits)


@pytest.mark.parametrize("cues", [-1, 201])
def test_bounds(shelf: Shelf, cues: int) -> None:
    with pytest.raises(InvalidInputError, match=r"queries\[0\]\.video\.cues"):
        shelf.ask(query(cues))


def test_a_library_without_series_answers_too(shelf: Shelf, tmp_path: Path) -> None:
    for series in (None, SeriesFolder(tmp_path / "none")):
        library = LocalLibrary(shelf.store, EncoderSet([ENCODER]), series=series)
        answer = library.search(SearchRequest((WeightedQuery(query()),)))
        assert len(answer.hits) == 10
        assert all(hit.cue is None for hit in answer.hits)
