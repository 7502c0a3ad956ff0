"""A space that becomes one of another revision, while and before it is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval.core.errors import StoreError
from retrieval.core.queries import SearchRequest, TextQuery, WeightedQuery
from retrieval.search import LocalLibrary
from tests.search.catalogue import HueEncoder, encoders, fill, make_records


def ask(library, text, *spaces):
    return library.search(SearchRequest((WeightedQuery(TextQuery(text), spaces=spaces),)))


class SlowHue(HueEncoder):
    """Something happens while it encodes."""

    def __init__(self, meanwhile) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def forward_text(self, batch):
        self._meanwhile()
        return super().forward_text(batch)


def test_a_query_that_a_replacement_overtakes_is_refused(own_store):
    fill(own_store, make_records())
    new = HueEncoder(revision="hue-2").space
    records = make_records()[:5]

    def replaced():
        library.declare([new], replacing=["hue"])
        library.write(records)

    library = LocalLibrary(own_store, {**encoders(), "hue": SlowHue(replaced)})
    with pytest.raises(StoreError, match="'hue' became one of another revision"):
        ask(library, "red piece")
    # From the next one on it is an encoder of another revision.
    answer = ask(library, "red piece")
    assert [one.space for one in answer.left_out] == ["hue"]
    assert {one.space for one in answer.spaces} == {"lexical"}


def test_a_space_that_is_filled_anew_answers_and_takes_nobody_down(own_store):
    fill(own_store, make_records())
    library = LocalLibrary(own_store, {**encoders(), "hue": HueEncoder(revision="hue-2")})
    before = ask(library, "red piece")
    library.declare([replace(HueEncoder().space, revision="hue-2")], replacing=["hue"])
    empty = ask(library, "red piece")
    assert empty.left_out == ()
    assert [hit.track.id for hit in empty.hits] == [hit.track.id for hit in before.hits]
    assert not ask(library, "red piece", "hue").hits
    some = make_records()[:3]
    library.write(some)
    assert {h.track.id for h in ask(library, "red green blue", "hue").hits} == {r.id for r in some}
