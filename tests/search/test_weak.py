"""Nothing here fits: the built-in ear asked for what a generated library has, and has not."""

from __future__ import annotations

import numpy as np
import pytest

from indexer.synth.catalogue import catalogue
from indexer.synth.mixing import render
from retrieval.core.payload import STANDARD_FIELDS
from retrieval.core.queries import SearchRequest, TextQuery, WeightedQuery
from retrieval.core.tracks import TrackRecord
from retrieval.encoders.ear import EarEncoder
from retrieval.encoders.lexical import LexicalEncoder
from retrieval.search import LocalLibrary
from retrieval.store.edge import EdgeStore

EACH = 3


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    ear, lexical = EarEncoder(), LexicalEncoder()
    if ear.cohort() is None:
        pytest.skip("these weights of the ear came without a cohort")
    store = EdgeStore(tmp_path_factory.mktemp("weak") / "m")
    store.declare((ear.space, lexical.space), STANDARD_FIELDS)
    records = []
    for number, piece in enumerate(catalogue(EACH)):
        sound = render(piece.score, ear.sample_rate)
        mono = sound.mean(axis=1).astype(np.float32)
        heard = ear.prepare_audio(mono[: int(ear.windowing.length * ear.sample_rate)])
        # Names that say nothing of the sound.
        payload = {"title": f"Side {number}", "genre": piece.truth.style}
        vectors = {
            "ear": ear.forward_audio([heard])[0],
            "lexical": lexical.encode_words({"title": payload["title"]}),
        }
        records.append(TrackRecord(f"{number:032x}", payload, vectors))
    store.write(records)
    own = LocalLibrary(store, {"ear": ear, "lexical": lexical})
    yield own
    own.close()


def ask(library, text):
    return library.search(SearchRequest((WeightedQuery(TextQuery(text)),), limit=10))


@pytest.mark.parametrize("text", ["whale song", "someone speaking", "bird song", "applause"])
def test_what_is_absent_is_weak(library, text):
    answer = ask(library, text)
    assert answer.hits
    assert all(hit.weak for hit in answer.hits)
    assert all(space.weak for space in answer.spaces)


@pytest.mark.parametrize(
    ("text", "style"), [("calm piano", "nocturne"), ("music box", "lullaby"), ("rock", "rock song")]
)
def test_what_is_there_is_not(library, text, style):
    answer = ask(library, text)
    best = answer.hits[0]
    assert best.track.payload["genre"] == style
    assert not best.weak
    assert {space.space: space.weak for space in answer.spaces} == {"ear": False, "lexical": True}
    assert answer.hits[-1].weak


def test_a_name_is_found_whatever_it_sounds_like(library):
    best = ask(library, "side 7").hits[0]
    assert best.track.payload["title"] == "Side 7"
    assert not best.weak
