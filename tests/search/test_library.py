"""The rest of the library protocol over a store: lists, counts, facets, spaces, changes."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.core.errors import InvalidInputError, NotFoundError, PreconditionError
from retrieval.core.filters import Equals, Range
from retrieval.core.library import RecordReader
from retrieval.core.queries import SearchRequest, VectorQuery, WeightedQuery
from retrieval.core.tracks import TrackRecord, TrackUpdate
from retrieval.search import LocalLibrary
from tests.search.catalogue import (
    LEXICAL,
    PERCEPTUAL,
    HueEncoder,
    encoders,
    fill,
    make_records,
    track_id,
)


class TestReading:
    def test_get_track(self, library, records):
        assert library.get_track(track_id(3)).payload == dict(records[track_id(3)].payload)
        with pytest.raises(NotFoundError):
            library.get_track("f" * 32)
        with pytest.raises(InvalidInputError):
            library.get_track("a/b")

    def test_list_walks_everything_once(self, library, records):
        seen, after = [], None
        while True:
            page = library.list_tracks(limit=9, after=after)
            seen += [track.id for track in page.tracks]
            after = page.next_after
            if after is None:
                break
        assert sorted(seen) == sorted(records)

    def test_list_filters(self, library):
        page = library.list_tracks(Range("bpm", gte=95.0))
        assert {t.payload["bpm"] for t in page.tracks} == {95.0, 96.0, 97.0, 98.0, 99.0}

    @pytest.mark.parametrize("limit", [0, 1001])
    def test_list_bounds(self, library, limit):
        with pytest.raises(InvalidInputError, match="limit"):
            library.list_tracks(limit=limit)

    def test_list_after_nonsense(self, library):
        with pytest.raises(InvalidInputError, match="after"):
            library.list_tracks(after="a b")

    def test_count(self, library):
        assert library.count_tracks() == 40
        assert library.count_tracks(Equals("genre", "jazz")) == 10
        with pytest.raises(InvalidInputError):
            library.count_tracks(Equals("mood", "dark"))

    def test_facets(self, library):
        counts = library.facets("artist")
        assert [(c.value, c.count) for c in counts] == [("Ada", 14), ("Ben", 13), ("Cleo", 13)]
        counts = library.facets("artist", Equals("genre", "jazz"), limit=1)
        assert [(c.value, c.count) for c in counts] == [("Ada", 4)]

    @pytest.mark.parametrize("field", ["bpm", "indexed_at", "mood"])
    def test_facets_of_what_has_none(self, library, field):
        with pytest.raises(InvalidInputError, match=field) as caught:
            library.facets(field)
        assert caught.value.reason == "INVALID_FIELD"

    def test_fetch(self, library):
        asked = [track_id(5), "f" * 32, track_id(1)]
        assert [t.id for t in library.fetch(asked)] == [track_id(5), track_id(1)]
        assert library.fetch([]) == ()
        with pytest.raises(InvalidInputError, match="at most 1000"):
            library.fetch(["a"] * 1001)
        with pytest.raises(InvalidInputError, match=r"tracks\[1\]"):
            library.fetch(["a", "b c"])

    def test_fetch_records(self, library, records):
        assert isinstance(library, RecordReader)
        [found] = library.fetch_records([track_id(5)])
        expected = records[track_id(5)]
        for space in ("hue", "perceptual"):
            kept = found.vectors[space] / np.linalg.norm(found.vectors[space])
            given = expected.vectors[space] / np.linalg.norm(expected.vectors[space])
            assert kept == pytest.approx(given, abs=1e-5)
        assert [s.span for s in found.segments] == [s.span for s in expected.segments]


class TestSpaces:
    def test_what_there_is_and_what_is_here(self, filled):
        own = LocalLibrary(filled, {"perceptual": PERCEPTUAL, "hue": HueEncoder(revision="other")})
        found = {status.space.name: status for status in own.spaces()}
        assert list(found) == ["hue", "lexical", "perceptual"]
        assert {name: s.encoder for name, s in found.items()} == {
            "hue": False,
            "lexical": False,
            "perceptual": True,
        }
        assert {s.tracks for s in found.values()} == {40}
        assert found["perceptual"].statistics == PERCEPTUAL.reference
        assert found["hue"].statistics is None

    def test_counts_only_tracks_with_a_vector(self, own_store):
        first, second = make_records(2)
        bare = TrackRecord(second.id, second.payload, {"lexical": second.vectors["lexical"]}, ())
        own = LocalLibrary(fill(own_store, [first, bare]), encoders())
        assert {s.space.name: s.tracks for s in own.spaces()} == {
            "hue": 1,
            "lexical": 2,
            "perceptual": 1,
        }


class TestRefit:
    def test_population_statistics_of_the_tracks(self, own_store):
        records = make_records(30)
        own = LocalLibrary(fill(own_store, records), encoders())
        fitted = own.refit("perceptual")
        matrix = np.array([r.vectors["perceptual"] for r in records], dtype=np.float64)
        assert fitted.count == 30
        assert fitted.mean == pytest.approx(matrix.mean(axis=0), rel=1e-5, abs=1e-5)
        assert fitted.std == pytest.approx(matrix.std(axis=0), rel=1e-5)
        assert own.info().statistics["perceptual"] == fitted
        assert own.spaces()[2].statistics == fitted

    def test_changes_standardised_distances_and_no_vector(self, own_store):
        own = LocalLibrary(fill(own_store, make_records(30)), encoders())
        request = SearchRequest((WeightedQuery(VectorQuery(PERCEPTUAL.reference.mean)),), limit=30)

        def distance(std, values):
            gap = (values.astype(float) - np.float32(PERCEPTUAL.reference.mean)) / std
            return float(np.sqrt(np.sum(gap**2)))

        own.refit("perceptual")
        std = np.array(own.info().statistics["perceptual"].std)
        vectors = {r.id: r.vectors["perceptual"] for r in make_records(30)}
        for hit in own.search(request).hits:
            expected = distance(std, vectors[hit.track.id])
            assert hit.evidence[0].distance == pytest.approx(expected, rel=1e-4)

    def test_a_dimension_that_never_varies_stays_finite(self, own_store):
        records = [
            TrackRecord(r.id, r.payload, {"perceptual": np.float32([*range(9), n])}, ())
            for n, r in enumerate(make_records(4))
        ]
        own = LocalLibrary(fill(own_store, records), encoders())
        fitted = own.refit("perceptual")
        floor = np.array(PERCEPTUAL.space.anchor.scale) * 1e-6
        assert fitted.std[:9] == pytest.approx(floor[:9], rel=1e-3)
        response = own.search(
            SearchRequest((WeightedQuery(VectorQuery((*map(float, range(9)), 2.0))),))
        )
        assert response.hits[0].track.id == track_id(2)

    @pytest.mark.parametrize("space", ["hue", "lexical", "clap"])
    def test_spaces_without_statistics(self, library, space):
        with pytest.raises(PreconditionError, match="perceptual") as caught:
            library.refit(space)
        assert caught.value.reason == "SPACE_UNAVAILABLE"

    def test_too_few_tracks(self, own_store):
        own = LocalLibrary(fill(own_store, make_records(1)), encoders())
        with pytest.raises(PreconditionError, match="at least 2"):
            own.refit("perceptual")


class TestWriting:
    def test_delete(self, own_store):
        own = LocalLibrary(fill(own_store, make_records(4)), encoders())
        assert own.delete_tracks([track_id(1), "f" * 32]) == 1
        assert own.delete_tracks([track_id(1)]) == 0
        assert own.delete_tracks([]) == 0
        assert own.count_tracks() == 3

    def test_update_changes_words_and_payload(self, own_store):
        own = LocalLibrary(fill(own_store, make_records(4)), encoders())
        payload = {**make_records(1)[0].payload, "title": "Zanzibar"}
        words = {"lexical": LEXICAL.encode_words(payload)}
        own.update([TrackUpdate(track_id(0), payload, words)])
        own.optimize()
        from retrieval.core.queries import TextQuery

        found = own.search(SearchRequest((WeightedQuery(TextQuery("zanzibar")),)))
        assert [h.track.payload["title"] for h in found.hits] == ["Zanzibar"]

    def test_vectors_that_cannot_be_stored(self, own_store):
        own = LocalLibrary(fill(own_store, []), encoders())
        record = TrackRecord("a", {}, {"hue": np.full(8, np.nan, np.float32)}, ())
        with pytest.raises(InvalidInputError) as caught:
            own.write([record])
        assert caught.value.reason == "INVALID_VECTOR"
        assert own.count_tracks() == 0


def test_close_closes_the_store(tmp_path):
    from retrieval.store.edge import EdgeStore

    own = LocalLibrary(fill(EdgeStore(tmp_path / "m"), make_records(2)), encoders())
    own.close()
    again = LocalLibrary(EdgeStore(tmp_path / "m"), encoders())
    assert again.count_tracks() == 2
    again.close()
