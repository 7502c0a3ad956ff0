"""Weighted-Euclidean search is exact: 20,000 points against brute force, with graphs about."""

from __future__ import annotations

import numpy as np
import pytest
import qdrant_edge as engine

from retrieval.core.errors import InvalidInputError
from retrieval.core.filters import All, Equals, Not, Range
from retrieval.core.spaces import Anchor, Distance, EmbeddingSpace, Level, Probe
from retrieval.core.tracks import TrackRecord
from retrieval.store.edge import EdgeStore
from retrieval.store.protocol import StoreQuery
from retrieval.store.tuning import Tuning
from retrieval.store.weighted import expand, plan, recover

POINTS = 20_000
CENTRE = (0.0, 0.0, 0.0, 0.0, 0.0, 50.0, 50.0, 50.0, 50.0, 0.0)
SCALE = (5.0, 5.0, 5.0, 5.0, 5.0, 25.0, 25.0, 25.0, 25.0, 40.0)
SPREAD = np.array([2.0, 4.0, 5.0, 3.0, 1.0, 12.0, 3.0, 20.0, 15.0, 30.0])
FELT = EmbeddingSpace(
    "felt", 10, Distance.WEIGHTED_EUCLIDEAN, "r1", anchor=Anchor(CENTRE, SCALE), float16=False
)
SOUND = EmbeddingSpace("sound", 16, Distance.COSINE, "r1")


KINDS = (
    "raw",
    "raw subset",
    "standardised",
    "standardised subset",
    "valence and arousal",
    "one dimension",
    "far apart",
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    rng = np.random.default_rng(11)
    vectors = (rng.normal(size=(POINTS, 10)) * SPREAD + CENTRE).astype(np.float32)
    vectors[POINTS // 2 : POINTS // 2 + 50] = vectors[:50]  # exact duplicates
    duration = rng.uniform(30, 600, POINTS).round(1)
    # Small thresholds: whatever may have a graph gets one.
    tuning = Tuning(indexing_kb=100, full_scan_kb=300)
    store = EdgeStore(tmp_path_factory.mktemp("weighted"), tuning)
    store.declare([FELT, SOUND])
    for start in range(0, POINTS, 2000):
        store.write(
            [
                TrackRecord(
                    f"t{n:05d}",
                    {"duration": float(duration[n]), "key": f"k{n % 12}"},
                    {"felt": vectors[n], "sound": rng.normal(size=16).astype(np.float32)},
                )
                for n in range(start, start + 2000)
            ]
        )
    store.optimize()
    yield store, vectors, duration
    store.close()


def weights_of(kind, rng):
    match kind:
        case "raw":
            return rng.uniform(0, 2, 10)
        case "raw subset":
            return rng.uniform(0.1, 2, 10) * (rng.permutation(10) < 3)
        case "standardised":
            return rng.uniform(0, 2, 10) / SPREAD**2
        case "standardised subset":
            return rng.uniform(0.1, 2, 10) / SPREAD**2 * (rng.permutation(10) < 4)
        case "valence and arousal":
            return np.array([0.0] * 8 + [1.0, 1.0]) / SPREAD**2
        case "one dimension":
            return np.eye(10)[rng.integers(10)]
        case "far apart":
            return 10.0 ** rng.uniform(-6, 6, 10)
    raise AssertionError(kind)


@pytest.mark.parametrize("filtered", [False, True])
def test_nearest_are_those_of_brute_force(library, filtered):
    for kind in KINDS:
        nearest_are_those_of_brute_force(library, kind, filtered)


def nearest_are_those_of_brute_force(library, kind, filtered):
    store, vectors, duration = library
    rng = np.random.default_rng([len(kind), filtered])
    keys = np.arange(POINTS) % 12
    for _ in range(8):
        weights = weights_of(kind, rng)
        query = (rng.normal(size=10) * SPREAD + CENTRE).astype(np.float32)
        asked, passing = None, np.ones(POINTS, bool)
        if filtered:
            low = float(rng.uniform(30, 400))
            asked = All((Range("duration", gte=low, lt=low + 90), Not(Equals("key", "k3"))))
            passing = (duration >= low) & (duration < low + 90) & (keys != 3)
        gap = vectors.astype(np.float64) - query.astype(np.float64)
        distances = np.where(passing, np.sqrt(np.square(gap) @ weights), np.inf)
        best = np.argsort(distances, kind="stable")[:20]
        probe = Probe("felt", query, weights)
        (got,) = store.search([StoreQuery(probe, filter=asked, limit=20)])
        want = distances[best]
        tolerance = 1e-4 * max(1.0, float(np.sqrt(weights.max())))
        assert [m.distance for m in got] == pytest.approx(want.tolist(), abs=tolerance)
        assert [-m.score for m in got] == [m.distance for m in got]
        # Where rounding to float32 can swap neighbours, either order is right.
        for place, match in enumerate(got):
            true = distances[int(match.track_id[1:])]
            assert true == pytest.approx(want[place], abs=tolerance)
        if kind != "far apart":
            wanted = {f"t{n:05d}" for n in best[distances[best] < want[-1] - 1e-4]}
            assert wanted <= {m.track_id for m in got}, kind


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in {"one dimension", "far apart"}])
@pytest.mark.parametrize("raw", [False, True])
def test_nearest_by_cosine_are_those_of_brute_force(library, kind, raw):
    """From the origin nearly all points lie one way, from their mean half of them."""
    store, vectors, duration = library
    rng = np.random.default_rng([len(kind), raw])
    about = np.zeros(10) if raw else np.array(CENTRE)
    apart = vectors.astype(np.float64) - about
    for filtered in (False, True):
        weights = weights_of(kind, rng)
        query = (rng.normal(size=10) * SPREAD + CENTRE).astype(np.float32)
        ray = query.astype(np.float64) - about
        passing = duration < 120.0 if filtered else np.ones(POINTS, bool)
        lengths = np.sqrt(np.square(apart) @ weights * (np.square(ray) @ weights))
        distances = np.where(passing, 1.0 - apart @ (weights * ray) / lengths, np.inf)
        asked = Range("duration", lt=120.0) if filtered else None
        probe = Probe("felt", query, weights, about)
        (got,) = store.search([StoreQuery(probe, filter=asked, limit=20)])
        want = np.sort(distances)[:20]
        assert [m.distance for m in got] == pytest.approx(want.tolist(), abs=1e-4)
        assert [m.score for m in got] == pytest.approx([1.0 - m.distance for m in got])
        found = [distances[int(m.track_id[1:])] for m in got]
        assert found == pytest.approx(want.tolist(), abs=1e-4)


def test_a_query_without_a_direction_is_refused(library):
    store, _, _ = library
    centre = np.array(CENTRE)
    with pytest.raises(InvalidInputError, match="no direction"):
        store.search([StoreQuery(Probe("felt", centre.astype("f4"), None, centre))])


def test_a_point_finds_itself_and_its_duplicate_first(library):
    store, vectors, _ = library
    rng = np.random.default_rng(3)
    for n in range(0, 50, 7):
        for weights in (None, weights_of("raw", rng) + 0.1, weights_of("standardised", rng) + 0.01):
            probe = Probe("felt", vectors[n], weights)
            (got,) = store.search([StoreQuery(probe, limit=3)])
            assert [m.track_id for m in got[:2]] == [f"t{n:05d}", f"t{n + POINTS // 2:05d}"]
            assert [str(m.score) for m in got[:2]] == ["0.0", "0.0"]  # never "-0.0"
            assert [m.distance for m in got[:2]] == [0.0, 0.0]
            assert got[2].distance > 1e-3


def test_only_the_cosine_space_has_a_graph(library):
    store, vectors, _ = library
    raw = store._shards[Level.TRACK].raw
    config = (store.path / "tracks" / "edge_config.json").read_text()
    assert '"felt":{"size":20,"distance":"Dot","datatype":"float32","hnsw_config":{"m":0' in config
    assert raw.info().indexed_vectors_count >= POINTS
    # Asked without ``exact``, a graph of these inner products would find next to nothing.
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(20):
        weighted = plan(FELT, Probe("felt", (rng.normal(size=10) * SPREAD + CENTRE).astype("f4")))
        request = engine.QueryRequest(
            limit=10, query=engine.Query.Nearest(weighted.vector.tolist(), using="felt"),
            with_payload=["track"], with_vector=False, params=engine.SearchParams(hnsw_ef=64),
        )  # fmt: skip
        gap = np.square((vectors - CENTRE) / SCALE - weighted.u) @ weighted.weights
        best = {f"t{n:05d}" for n in np.argsort(gap)[:10]}
        found += len(best & {point.payload["track"] for point in raw.query(request)})
    assert found >= 195


def test_outliers_and_a_far_query_stay_exact(tmp_path):
    """Where float32 products cancel, the answer is still that of float64."""
    store = EdgeStore(tmp_path)
    store.declare([FELT])
    rng = np.random.default_rng(1)
    near = (np.array(CENTRE) + np.array(SCALE) * 1e3 + rng.normal(size=(300, 10))).astype("f4")
    store.write([TrackRecord(f"t{n:03d}", {}, {"felt": v}) for n, v in enumerate(near)])
    query = near[17] + np.float32(0.25)
    distances = np.linalg.norm(near.astype(np.float64) - query.astype(np.float64), axis=1)
    (got,) = store.search([StoreQuery(Probe("felt", query), limit=5)])
    store.close()
    assert [m.track_id for m in got] == [f"t{n:03d}" for n in np.argsort(distances)[:5]]
    # Stored units are float32: at 1000 scales from the centre one of them is 6e-5 scales.
    assert [m.distance for m in got] == pytest.approx(np.sort(distances)[:5].tolist(), abs=0.02)


def test_expanding_and_recovering():
    rng = np.random.default_rng(0)
    vector = (rng.normal(size=10) * SPREAD + CENTRE).astype(np.float32)
    stored = expand(FELT, vector)
    assert stored.dtype == np.float32
    assert stored.shape == (20,)
    assert recover(FELT, stored) == pytest.approx(vector, rel=1e-6, abs=1e-5)
    with pytest.raises(InvalidInputError):
        expand(
            EmbeddingSpace(
                "tiny", 1, Distance.WEIGHTED_EUCLIDEAN, "r", anchor=Anchor((0.0,), (1e-12,))
            ),
            np.array([1e9], np.float32),
        )


@pytest.mark.parametrize(
    "weights", [np.zeros(10), -np.ones(10), np.full(10, np.nan), np.full(10, np.inf), np.ones(9)]
)
def test_weights_that_make_no_distance_are_refused(weights):
    with pytest.raises(InvalidInputError):
        plan(FELT, Probe("felt", np.zeros(10, np.float32), weights))
