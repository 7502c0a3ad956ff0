"""Words, sound and tracks through both models: alone, fused, weighted, and over the wire."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from indexer import IndexOptions, index  # noqa: E402
from retrieval.client import Client  # noqa: E402
from retrieval.core.budget import Budget  # noqa: E402
from retrieval.core.errors import InvalidInputError  # noqa: E402
from retrieval.core.queries import (  # noqa: E402
    AudioQuery,
    Fusion,
    Query,
    RecommendRequest,
    SearchRequest,
    SearchResponse,
    SegmentQuery,
    TextQuery,
    TrackQuery,
    WeightedQuery,
)
from retrieval.core.tracks import Span, TrackRecord  # noqa: E402
from retrieval.encoders.clamp3 import Clamp3Encoder  # noqa: E402
from retrieval.encoders.clap import ClapEncoder  # noqa: E402
from retrieval.encoders.registry import EncoderSet, load  # noqa: E402
from retrieval.search import LocalLibrary  # noqa: E402
from retrieval.settings import Settings  # noqa: E402
from retrieval.store import open_store  # noqa: E402
from tests.models.tiny import WORDS, write_clamp3  # noqa: E402
from tests.models.tiny_clap import write_hub  # noqa: E402
from tests.service.running import Running  # noqa: E402

RATE = 22_050
TITLES = ("slow bird", "fast piano", "heavy drums", "quiet forest", "deep house", "loud guitars")
OTHER_LANGUAGES = ("太鼓", "барабаны", "tambores")
LEARNED = ("clap", "clamp3")
FIRST = 4
"""So many files are in all spaces, the others only in those that need no weights."""


def sound(seed: int, seconds: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(80, 6_000, 4))
    # Every ten seconds something else, so that moments differ.
    tones = tones * (1 + np.sin(2 * np.pi * rng.uniform(0.5, 4, 4)[(t / 10).astype(int)] * t))
    return np.asarray(0.1 * tones)


def write_models(folder: Path) -> None:
    """Both models; CLAMP3 knows words in more languages than one."""
    write_hub(folder / "clap")
    write_clamp3(folder / "clamp3", vocabulary=4 + len(WORDS) + len(OTHER_LANGUAGES))
    path = folder / "clamp3" / "xlm-roberta-base" / "tokenizer.json"
    text = path.read_text()
    for place, word in enumerate(OTHER_LANGUAGES, start=4 + len(WORDS)):
        text = text.replace(f'"filler{place}"', json.dumps(word))
    assert "filler" not in text
    path.write_text(text)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("mixed")
    write_models(place / "models")
    for folder, titles in (("first", TITLES[:FIRST]), ("later", TITLES[FIRST:])):
        (place / folder).mkdir()
        for title in titles:
            seed = TITLES.index(title)
            soundfile.write(place / folder / f"{title}.flac", sound(seed, 11.0 + 5 * seed), RATE)
    return place


@pytest.fixture(scope="module")
def encoders(place: Path) -> EncoderSet:
    clap = ClapEncoder(place / "models" / "clap", device="cpu")
    clamp3 = Clamp3Encoder(place / "models" / "clamp3", device="cpu")
    return EncoderSet((load("perceptual"), load("lexical"), clap, clamp3))


def filled(place: Path, name: str, *runs: tuple[str, EncoderSet]) -> LocalLibrary:
    library = LocalLibrary(open_store(Settings(data_dir=place / name)), runs[0][1])
    for folder, encoders in runs:
        options = IndexOptions(workers=1)
        report = index(
            [place / folder], library, encoders, manifest_dir=place / name / "m", options=options
        )
        assert not report.failed
    return library


@pytest.fixture(scope="module")
def library(place: Path, encoders: EncoderSet) -> Iterator[LocalLibrary]:
    library = filled(place, "whole", ("first", encoders), ("later", encoders))
    yield library
    library.close()


@pytest.fixture(scope="module")
def records(library: LocalLibrary) -> dict[str, TrackRecord]:
    """By title, which is the name of the file."""
    ids = [track.id for track in library.list_tracks().tracks]
    return {Path(r.payload["paths"][0]).stem: r for r in library.fetch_records(ids)}


@pytest.fixture(scope="module")
def file(place: Path) -> bytes:
    return (place / "first" / "heavy drums.flac").read_bytes()


def ask(library: LocalLibrary | Client, *queries: Query | WeightedQuery) -> SearchResponse:
    weighted = (q if isinstance(q, WeightedQuery) else WeightedQuery(q) for q in queries)
    return library.search(SearchRequest(tuple(weighted), limit=len(TITLES)))


def ids(response: SearchResponse) -> list[str]:
    return [hit.track.id for hit in response.hits]


def by_cosine(records: dict[str, TrackRecord], space: str, probe: np.ndarray) -> list[str]:
    def cosine(record: TrackRecord) -> float:
        vector = np.asarray(record.vectors[space], dtype=np.float64)
        return float(vector @ probe / np.linalg.norm(vector))

    return [r.id for r in sorted(records.values(), key=cosine, reverse=True)]


def fused(rankings: Sequence[tuple[float, Sequence[str]]]) -> list[str]:
    """Reciprocal rank fusion by its definition."""
    scores: dict[str, float] = defaultdict(float)
    for share, ranking in rankings:
        for rank, track in enumerate(ranking, start=1):
            scores[track] += share / (Fusion().k + rank)
    return sorted(scores, key=lambda track: (-scores[track], track))


@pytest.mark.parametrize("space", LEARNED)
def test_text_and_sound_alone_in_each_space(
    library: LocalLibrary,
    encoders: EncoderSet,
    records: dict[str, TrackRecord],
    file: bytes,
    space: str,
) -> None:
    encoder = encoders[space]
    assert isinstance(encoder, ClapEncoder | Clamp3Encoder)
    [probe] = encoder.forward_text([encoder.prepare_text("slow drums")])
    response = ask(library, WeightedQuery(TextQuery("slow drums"), 1.0, (space,)))
    assert ids(response) == by_cosine(records, space, probe)
    heard = ask(library, WeightedQuery(AudioQuery(file), 1.0, (space,)))
    own = records["heavy drums"]
    assert ids(heard) == by_cosine(records, space, np.asarray(own.vectors[space], np.float64))
    assert heard.hits[0].track.id == own.id
    for answer in (response, heard):
        assert {(e.query, e.space) for h in answer.hits for e in h.evidence} == {(0, space)}
        assert {s.space for h in answer.hits for s in h.segments} == {space}
        for hit in answer.hits:
            spans = {s.span for s in records_by_id(records)[hit.track.id].segments}
            assert hit.segments
            assert {s.span for s in hit.segments} <= spans


def records_by_id(records: dict[str, TrackRecord]) -> dict[str, TrackRecord]:
    return {record.id: record for record in records.values()}


@pytest.mark.parametrize(
    "spaces", [("clap",), ("clamp3",), LEARNED, ("clap", "clamp3", "perceptual")]
)
def test_mixed_queries_are_the_fusion_of_their_parts(
    library: LocalLibrary, records: dict[str, TrackRecord], file: bytes, spaces: tuple[str, ...]
) -> None:
    left_out = records["quiet forest"].id
    parts: list[tuple[float, Query]] = [
        (2.0, TextQuery("loud guitars")),
        (1.0, AudioQuery(file)),
        (0.5, TrackQuery(left_out)),
    ]
    weights = {"clap": 3.0, "clamp3": 0.25}
    queries, rankings, evidence = [], [], set()
    for place, (weight, query) in enumerate(parts):
        takes = [s for s in spaces if s in LEARNED or not isinstance(query, TextQuery)]
        own = {space: weights[space] for space in takes if space in weights}
        queries.append(WeightedQuery(query, weight, tuple(takes), own))
        for space in takes:
            alone = ids(ask(library, WeightedQuery(query, 1.0, (space,))))
            ranking = [track for track in alone if track != left_out]
            rankings.append((weight * weights.get(space, 1.0), ranking))
            evidence.add((place, space))
    response = ask(library, *queries)
    assert ids(response) == fused(rankings)
    for hit in response.hits:
        assert {(e.query, e.space) for e in hit.evidence} == evidence
    assert {s.space for h in response.hits for s in h.segments} <= set(spaces)


def test_weights_of_spaces_change_the_order(library: LocalLibrary, file: bytes) -> None:
    for query in (TextQuery("fast piano"), AudioQuery(file)):

        def ranked(weights: dict[str, float], *spaces: str, query: Query = query) -> list[str]:
            return ids(ask(library, WeightedQuery(query, 1.0, spaces, weights)))

        alone = {space: ranked({}, space) for space in LEARNED}
        assert alone["clap"] != alone["clamp3"]
        for space in LEARNED:
            assert ranked({space: 1e6}, *LEARNED) == alone[space]
        assert ranked(dict.fromkeys(LEARNED, 2.0), *LEARNED) == ranked({}, *LEARNED)


@pytest.mark.parametrize("text", [*OTHER_LANGUAGES, "太鼓 bird"])
def test_words_in_other_languages_reach_clamp3(
    library: LocalLibrary, encoders: EncoderSet, records: dict[str, TrackRecord], text: str
) -> None:
    encoder = encoders["clamp3"]
    assert isinstance(encoder, Clamp3Encoder)
    tokens = encoder.prepare_text(text)
    assert 3 not in tokens.tolist()  # <unk>
    [probe] = encoder.forward_text([tokens])
    response = ask(library, WeightedQuery(TextQuery(text), 1.0, ("clamp3",)))
    assert ids(response) == by_cosine(records, "clamp3", probe)


def test_a_text_that_says_nothing_in_one_space_is_left_out_there(library: LocalLibrary) -> None:
    response = ask(library, TextQuery("?!"))
    assert {e.space for h in response.hits for e in h.evidence} == set(LEARNED)
    response = ask(library, WeightedQuery(TextQuery("?!"), space_weights={"lexical": 9.0}))
    assert {e.space for h in response.hits for e in h.evidence} == set(LEARNED)
    with pytest.raises(InvalidInputError):
        ask(library, WeightedQuery(TextQuery("?!"), 1.0, ("lexical", "clap")))


def test_by_default_every_space_answers_and_learned_ones_find_moments(
    library: LocalLibrary, records: dict[str, TrackRecord], file: bytes
) -> None:
    response = ask(library, TextQuery("heavy drums"), AudioQuery(file))
    best = response.hits[0]
    assert best.track.id == records["heavy drums"].id
    assert {(e.query, e.space) for e in best.evidence} == {
        *((0, space) for space in ("clap", "clamp3", "lexical")),
        *((1, space) for space in ("clap", "clamp3", "perceptual")),
    }
    assert {s.space for h in response.hits for s in h.segments} & set(LEARNED)


def test_a_moment_finds_itself_in_the_learned_spaces(
    library: LocalLibrary, records: dict[str, TrackRecord]
) -> None:
    track = records["quiet forest"]
    for space in LEARNED:
        spans = [s.span for s in track.segments if space in s.vectors]
        query = SegmentQuery(track.id, Span(spans[-1].start, spans[-1].end))
        response = library.search(
            SearchRequest((WeightedQuery(query, 1.0, (space,)),), limit=6, segments=20)
        )
        [own] = [hit for hit in response.hits if hit.track.id == track.id]
        assert {s.space for s in own.segments} == {space}
        assert {s.span for s in own.segments} == set(spans)


def test_the_same_over_the_wire(
    place: Path, library: LocalLibrary, records: dict[str, TrackRecord], file: bytes
) -> None:
    queries = (
        WeightedQuery(TextQuery("太鼓"), 2.0, (), {"clamp3": 4.0, "lexical": 0.5}),
        WeightedQuery(AudioQuery(file), 1.0, ("clap", "clamp3"), {"clap": 2.0}),
        TrackQuery(records["deep house"].id),
    )
    examples = RecommendRequest((records["slow bird"].id,), space_weights={"clamp3": 3.0})
    with (
        Running(Settings(data_dir=place / "whole"), lambda: Kept(library)) as running,
        Client(running.address) as client,
    ):
        for _ in range(2):
            here, there = ask(library, *queries), ask(client, *queries)
            assert replace(there, took_ms=0.0) == replace(here, took_ms=0.0)
        assert client.recommend(examples).hits == library.recommend(examples).hits
    counts = library.text_counts()["clamp3"]
    assert counts.cached >= 3


class Kept:
    """The library for a service that must not close it."""

    def __init__(self, library: LocalLibrary) -> None:
        self._library = library

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def close(self) -> None:
        """Stay open: other tests go on."""


def test_text_and_sound_go_forward_at_once(encoders: EncoderSet, file: bytes) -> None:
    """Two threads in two networks of one model give what each gives alone."""
    from concurrent.futures import ThreadPoolExecutor

    from retrieval.search.encoding import Encoding

    spaces = [encoders[space].space for space in LEARNED]
    alone = Encoding(encoders, text_cache=0)
    texts = [f"{a} {b}" for a in WORDS[:6] for b in WORDS[6:10]]
    heard = alone.sounds(spaces, [("file", file)], Budget())[0]
    read = {s.name: [alone.texts(s, [t], Budget())[0] for t in texts] for s in spaces}
    with ThreadPoolExecutor(6) as threads:
        sounds = [
            threads.submit(alone.sounds, spaces, [("file", file)], Budget()) for _ in range(3)
        ]
        jobs = [
            (vector, threads.submit(alone.texts, space, [text], Budget()))
            for space in spaces
            for text, vector in zip(texts, read[space.name], strict=True)
        ]
        for vector, job in jobs:
            np.testing.assert_allclose(job.result(60)[0], vector, atol=1e-5)
        for sound_job in sounds:
            [found] = sound_job.result(60)
            for space in spaces:
                np.testing.assert_allclose(found[space.name], heard[space.name], atol=1e-5)
    counts = alone.text_counts()["clap"]
    assert counts.forwards <= counts.encoded
