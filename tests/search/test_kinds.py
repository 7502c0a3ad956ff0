"""Every kind of query: which spaces it asks, what it finds, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.core.budget import Budget
from retrieval.core.errors import (
    AudioError,
    BusyError,
    InvalidInputError,
    NotFoundError,
    PreconditionError,
)
from retrieval.core.queries import (
    MAX_AUDIO_BYTES,
    AudioQuery,
    RecommendRequest,
    Scaling,
    SearchRequest,
    SegmentQuery,
    TextQuery,
    TrackQuery,
    VectorQuery,
    WeightedQuery,
)
from retrieval.core.tracks import Span, TrackRecord
from retrieval.search import LocalLibrary
from tests.search.catalogue import (
    PERCEPTUAL,
    SPACES,
    HueEncoder,
    ToneEncoder,
    encoders,
    fill,
    make_records,
    track_id,
)
from tests.signals import encode, noise, sine


def ask(library, query, *spaces, **more):
    return library.search(SearchRequest((WeightedQuery(query, spaces=spaces),), **more))


def ids(response):
    return [hit.track.id for hit in response.hits]


def asked_spaces(response):
    return {e.space for hit in response.hits for e in hit.evidence}


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def nearest(records, score, count=10, without=()):
    ranked = sorted((-score(r), r.id) for r in records.values() if r.id not in without)
    return [key for _, key in ranked[:count]]


def std(library):
    frozen = library.info().statistics.get("perceptual")
    return np.array((frozen or PERCEPTUAL.reference).std)


class TestText:
    def test_asks_every_text_space(self, library):
        response = ask(library, TextQuery("blue piece"))
        assert asked_spaces(response) == {"hue", "lexical"}

    def test_finds_by_meaning_and_by_word(self, library, records):
        direction = HueEncoder().prepare_text("blue")
        expected = nearest(records, lambda r: cosine(r.vectors["hue"], direction))
        assert ids(ask(library, TextQuery("blue"), "hue")) == expected
        found = ask(library, TextQuery("blue"), "lexical", limit=20)
        assert {h.track.payload["title"].split()[1] for h in found.hits} == {"blue"}

    def test_a_default_space_without_a_word_for_it_stays_silent(self, library):
        assert asked_spaces(ask(library, TextQuery("piece 7"))) == {"lexical"}

    def test_a_named_space_without_a_word_for_it_says_so(self, library):
        with pytest.raises(InvalidInputError, match="no colour"):
            ask(library, TextQuery("piece 7"), "hue")

    def test_no_space_with_a_word_for_it(self, library):
        with pytest.raises(InvalidInputError):
            ask(library, TextQuery("?!"))

    @pytest.mark.parametrize("text", ["", "  \n", "x" * 4097])
    def test_empty_or_long(self, library, text):
        with pytest.raises(InvalidInputError, match=r"queries\[0\]\.text"):
            ask(library, TextQuery(text))

    def test_texts_of_a_request_share_a_batch(self, filled):
        own = encoders()
        library = LocalLibrary(filled, own)
        ask(library, TextQuery("white"))  # calibrates the space
        own["hue"].batches.clear()
        library.search(
            SearchRequest(tuple(WeightedQuery(TextQuery(c)) for c in ("red", "blue", "grey")))
        )
        assert own["hue"].batches == [3]


class TestAudio:
    def test_finds_itself(self, own_store):
        own = {"perceptual": PERCEPTUAL, "tone": ToneEncoder()}
        sounds = {"a": sine(300, 3.0), "b": noise(3.0), "c": sine(3000, 3.0, level=0.1)}
        made = LocalLibrary(own_store, own)
        made.declare([e.space for e in own.values()], ())
        for name, samples in sounds.items():
            encoded = made._encoding.sounds(
                [e.space for e in own.values()], [(name, encode(samples))], Budget()
            )[0]
            made.write([TrackRecord(name, {"title": name}, encoded, ())])
        for name, samples in sounds.items():
            for kind in ("wav", "flac", "mp3"):
                response = ask(made, AudioQuery(encode(samples, format=kind)), "perceptual")
                assert response.hits[0].track.id == name, (name, kind)
        both = ask(made, AudioQuery(encode(sounds["a"])))
        assert asked_spaces(both) == {"perceptual", "tone"}

    def test_one_decode_and_one_batch_for_all_sounds(self, own_store):
        tone = ToneEncoder()
        fill(own_store, [], (tone.space,))
        own = LocalLibrary(own_store, {"tone": tone})
        sounds = [AudioQuery(encode(sine(f, 2.0))) for f in (200, 400)]
        own.search(SearchRequest(tuple(WeightedQuery(s) for s in sounds)))
        assert tone.batches == [4]

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "AUDIO_EMPTY"),
            (b"no sound at all, just text", "AUDIO_UNSUPPORTED"),
            (encode(np.zeros(44_100, np.float32)), "AUDIO_SILENT"),
        ],
    )
    def test_unusable_sound_names_the_query(self, library, data, reason):
        with pytest.raises(AudioError, match=r"queries\[0\]\.audio") as caught:
            ask(library, AudioQuery(data))
        assert caught.value.reason == reason

    def test_too_many_bytes(self, library):
        with pytest.raises(BusyError) as caught:
            ask(library, AudioQuery(b"x" * (MAX_AUDIO_BYTES + 1)))
        assert caught.value.reason == "TOO_LARGE"


class TestTrack:
    def test_asks_every_dense_space_and_leaves_itself_out(self, library, records):
        response = ask(library, TrackQuery(track_id(3)), limit=100)
        assert asked_spaces(response) == {"hue", "perceptual"}
        assert set(ids(response)) == set(records) - {track_id(3)}

    def test_nearest_by_stored_vector(self, library, records):
        own = records[track_id(3)].vectors["hue"]
        expected = nearest(records, lambda r: cosine(r.vectors["hue"], own), without={track_id(3)})
        assert ids(ask(library, TrackQuery(track_id(3)), "hue")) == expected

    def test_unknown(self, library):
        with pytest.raises(NotFoundError) as caught:
            ask(library, TrackQuery("f" * 32))
        assert caught.value.reason == "TRACK_NOT_FOUND"

    def test_not_an_id(self, library):
        with pytest.raises(InvalidInputError, match=r"queries\[0\]\.track"):
            ask(library, TrackQuery("../etc/passwd"))

    def test_without_a_vector_in_the_named_space(self, own_store):
        first, second = make_records(2)
        bare = TrackRecord(second.id, second.payload, {"lexical": second.vectors["lexical"]}, ())
        own = LocalLibrary(fill(own_store, [first, bare]), encoders())
        for spaces in ((), ("hue",)):
            with pytest.raises(PreconditionError, match="no vector") as caught:
                ask(own, TrackQuery(second.id), *spaces)
            assert caught.value.reason == "SPACE_UNAVAILABLE"


class TestSegment:
    def test_averages_what_overlaps(self, library, records):
        own = records[track_id(5)]
        # 7.5..12 touches the second segment (5..10) for 2.5 s and the third (10..15) for 2 s.
        probe = (
            2.5 * own.segments[1].vectors["perceptual"].astype(float)
            + 2.0 * own.segments[2].vectors["perceptual"]
        ) / 4.5
        expected = nearest(
            records,
            lambda r: -np.linalg.norm((r.vectors["perceptual"] - probe) / std(library)),
        )
        query = SegmentQuery(track_id(5), Span(7.5, 12.0))
        assert ids(ask(library, query, "perceptual")) == expected

    def test_asks_the_spaces_with_segments(self, library):
        query = SegmentQuery(track_id(5), Span(0.0, 5.0))
        assert asked_spaces(ask(library, query)) == {"hue", "perceptual"}

    def test_its_track_may_answer(self, library):
        query = SegmentQuery(track_id(5), Span(0.0, 5.0))
        assert track_id(5) in ids(ask(library, query, limit=40))

    def test_touching_is_not_overlapping(self, library):
        with pytest.raises(NotFoundError) as caught:
            ask(library, SegmentQuery(track_id(5), Span(20.0, 25.0)))
        assert caught.value.reason == "SEGMENT_NOT_FOUND"

    def test_unknown_track(self, library):
        with pytest.raises(NotFoundError) as caught:
            ask(library, SegmentQuery("f" * 32, Span(0.0, 1.0)))
        assert caught.value.reason == "TRACK_NOT_FOUND"


class TestVector:
    def test_the_one_space_of_that_length(self, library, records):
        values = tuple(records[track_id(9)].vectors["perceptual"].tolist())
        response = ask(library, VectorQuery(values))
        assert asked_spaces(response) == {"perceptual"}
        assert response.hits[0].track.id == track_id(9)
        assert response.hits[0].evidence[0].distance == pytest.approx(0.0, abs=1e-6)

    @pytest.mark.parametrize("scaling", list(Scaling))
    @pytest.mark.parametrize("dims", [(), ("VA",), ("warmth", "3", "brightness")])
    def test_distances_agree_with_numpy(self, library, records, scaling, dims):
        draw = np.random.default_rng(3)
        anchor = PERCEPTUAL.space.anchor
        names = PERCEPTUAL.space.dims
        values = np.array(anchor.centre) + draw.normal(size=10) * anchor.scale
        chosen = {"VA": ("arousal", "valence")}.get(dims[0], dims) if dims else names
        places = [int(d) if d.isdigit() else names.index(d) for d in chosen]
        weights = np.zeros(10)
        weights[places] = 1.0
        weights[places[0]] = 2.5
        query = VectorQuery(
            tuple(values), scaling=scaling, dims=dims, weights={names[places[0]]: 2.5}
        )
        scale = std(library) if scaling is Scaling.STANDARDISED else np.ones(10)
        response = ask(library, query, limit=10)
        q = values.astype(np.float32).astype(float)

        def distance(record):
            gap = (record.vectors["perceptual"].astype(float) - q) / scale
            return float(np.sqrt(np.sum(weights * gap**2)))

        assert ids(response) == nearest(records, lambda r: -distance(r))
        for hit in response.hits:
            assert hit.evidence[0].distance == pytest.approx(distance(records[hit.track.id]), 1e-4)
            assert hit.score == -hit.evidence[0].distance

    @pytest.mark.parametrize(
        ("values", "spaces"),
        [
            ((1.0, 2.0, 3.0), ()),
            ((1.0,) * 9, ("perceptual",)),
            ((float("nan"),) * 10, ()),
            ((float("inf"), *(0.0,) * 9), ()),
            ((1e300,) * 10, ()),
            ((0.0,) * 8, ("hue",)),
            ((), ()),
        ],
    )
    def test_unusable_values(self, library, values, spaces):
        with pytest.raises(InvalidInputError, match=r"queries\[0\]\.vector\.values") as caught:
            ask(library, VectorQuery(values), *spaces)
        assert caught.value.reason == "INVALID_VECTOR"

    def test_two_spaces_of_that_length(self, own_store):
        own = LocalLibrary(fill(own_store, [], (*SPACES, ToneEncoder().space)), encoders())
        with pytest.raises(InvalidInputError, match="perceptual, tone") as caught:
            ask(own, VectorQuery((1.0,) * 10))
        assert caught.value.metadata["spaces"] == "perceptual,tone"
        assert ask(own, VectorQuery((1.0,) * 10, space="tone")).hits == ()

    @pytest.mark.parametrize(
        ("more", "message"),
        [
            ({"weights": {"loudness": 1.0}}, "'loudness'"),
            ({"weights": {"10": 1.0}}, "'10'"),
            ({"dims": ("warmth", "loudness")}, "'loudness'"),
            ({"dims": ("va",)}, "preset VA"),
            ({"weights": {"warmth": -1.0}}, "'warmth' is -1"),
            ({"weights": {"warmth": float("nan")}}, "'warmth' is nan"),
            ({"weights": {"warmth": 1e7}}, "between 0 and 1e6"),
            ({"weights": {"warmth": 2.0}, "dims": ("VA",)}, "not among the dims"),
            ({"weights": {"arousal": 0.0, "valence": 0.0}, "dims": ("VA",)}, "all weights are"),
        ],
    )
    def test_unusable_weights(self, library, more, message):
        with pytest.raises(InvalidInputError, match=message):
            ask(library, VectorQuery((0.0,) * 10, **more))

    @pytest.mark.parametrize(
        "more", [{"weights": {"0": 1.0}}, {"dims": ("0",)}, {"scaling": Scaling.RAW}]
    )
    def test_weights_elsewhere(self, library, more):
        with pytest.raises(InvalidInputError, match="weighted-Euclidean"):
            ask(library, VectorQuery((1.0,) * 8, **more))


class TestRecommend:
    def test_direction_of_examples(self, library, records):
        good, bad = [track_id(1), track_id(2)], [track_id(3)]
        unit = {
            key: r.vectors["hue"].astype(float) / np.linalg.norm(r.vectors["hue"])
            for key, r in records.items()
        }
        probe = 2.0 * np.mean([unit[g] for g in good], axis=0) - unit[bad[0]]
        expected = nearest(records, lambda r: cosine(unit[r.id], probe), without={*good, *bad})
        request = RecommendRequest(tuple(good), tuple(bad), spaces=("hue",))
        assert ids(library.recommend(request)) == expected

    def test_one_positive_is_a_track_query(self, library):
        request = RecommendRequest((track_id(4),))
        assert ids(library.recommend(request)) == ids(ask(library, TrackQuery(track_id(4))))

    @pytest.mark.parametrize(
        ("positive", "negative", "message"),
        [
            ((), (), "positive: 1 to 64"),
            (("a",) * 65, (), "positive: 1 to 64"),
            (("a",), ("b",) * 65, "negative: at most 64"),
            (("a b",), (), r"positive\[0\]"),
        ],
    )
    def test_bounds(self, library, positive, negative, message):
        with pytest.raises(InvalidInputError, match=message):
            library.recommend(RecommendRequest(positive, negative))

    def test_sparse_space(self, library):
        with pytest.raises(InvalidInputError, match="'lexical' takes no example queries"):
            library.recommend(RecommendRequest((track_id(1),), spaces=("lexical",)))

    def test_unknown_example(self, library):
        with pytest.raises(NotFoundError):
            library.recommend(RecommendRequest((track_id(1),), ("f" * 32,)))

    def test_examples_that_cancel_out(self, own_store):
        first, second = make_records(2)
        alike = [
            TrackRecord(key, first.payload, {"hue": (s * first.vectors["hue"])}, ())
            for key, s in (("a", 1.0), ("b", 1.0))
        ]
        opposite = TrackRecord("c", first.payload, {"hue": -first.vectors["hue"]}, ())
        own = LocalLibrary(fill(own_store, [*alike, opposite, second]), encoders())
        with pytest.raises(InvalidInputError, match="zero vector") as caught:
            own.recommend(RecommendRequest(("a", "c"), spaces=("hue",)))
        assert caught.value.reason == "INVALID_VECTOR"


class TestSpaces:
    def test_a_space_the_library_lacks(self, library):
        for query in (TextQuery("red"), TrackQuery(track_id(1)), VectorQuery((1.0,) * 10)):
            with pytest.raises(PreconditionError) as caught:
                ask(library, query, "clap")
            assert caught.value.reason == "SPACE_UNAVAILABLE"
            assert caught.value.metadata["spaces"] == "hue,lexical,perceptual"

    def test_a_space_that_takes_another_kind(self, library):
        with pytest.raises(InvalidInputError, match="takes no text queries; these do: hue, lex"):
            ask(library, TextQuery("red"), "perceptual")

    def test_no_space_for_the_kind(self, own_store):
        fill(own_store, [], (LexicalOnly,))
        with pytest.raises(PreconditionError) as caught:
            ask(LocalLibrary(own_store, encoders()), AudioQuery(encode(sine(300, 1.0))))
        assert caught.value.reason == "SPACE_UNAVAILABLE"
        assert caught.value.metadata["spaces"] == "lexical"

    def test_another_revision_is_never_compared(self, filled):
        own = LocalLibrary(filled, {"hue": HueEncoder(revision="hue-2")})
        for spaces in ((), ("hue",)):
            with pytest.raises(PreconditionError, match="hue-2") as caught:
                ask(own, TextQuery("red"), *spaces)
            assert caught.value.reason == "REVISION_MISMATCH"
        assert ask(own, TrackQuery(track_id(1)), "hue").hits

    def test_another_revision_is_left_out_by_default(self, filled):
        own = LocalLibrary(filled, {**encoders(), "hue": HueEncoder(revision="hue-2")})
        assert asked_spaces(ask(own, TextQuery("red piece"))) == {"lexical"}

    def test_no_encoder_here(self, filled):
        own = LocalLibrary(filled, {})
        with pytest.raises(PreconditionError) as caught:
            ask(own, TextQuery("red"), "hue")
        assert caught.value.reason == "MODEL_MISSING"
        assert ask(own, VectorQuery((1.0,) * 8)).hits


LexicalOnly = SPACES[2]
