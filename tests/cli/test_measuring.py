"""What ``segue eval`` measures over several spaces."""

from __future__ import annotations

import pytest

from retrieval.cli.measuring import measure
from retrieval.search import LocalLibrary
from retrieval.store.edge import EdgeStore
from tests.search.catalogue import encoders, fill, make_records, track_id


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    store = fill(EdgeStore(tmp_path_factory.mktemp("measured") / "music"), make_records(12))
    yield LocalLibrary(store, encoders())
    store.close()


def measured(library, text, number, *spaces, **weights):
    results = measure(
        library,
        {text: [(2, track_id(number))]},
        kind="text",
        spaces=spaces,
        space_weights=weights,
        skip_missing=False,
        seed=0,
    )
    return {name: one.figures["mrr"].value for name, one in results.items()}


def test_weights_of_spaces_count_in_the_fusion_alone(library):
    for number in range(12):
        text = f"blue piece {number}"
        plain = measured(library, text, number, "hue", "lexical")
        for space in ("hue", "lexical"):
            heavy = measured(library, text, number, "hue", "lexical", **{space: 1e6})
            assert {n: heavy[n] for n in ("hue", "lexical")} == {
                n: plain[n] for n in ("hue", "lexical")
            }
            assert heavy["fused"] == plain[space]


def test_a_space_that_a_text_says_nothing_in_does_not_spoil_the_fusion(library):
    found = measured(library, "piece 7", 7)
    assert found["hue"] < 0.1
    assert found["fused"] == found["lexical"] == 1.0
