"""Vectors made elsewhere, in real libraries: attached to recordings, or tracks of their own."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from indexer.features import FeatureOptions, index_features
from retrieval.core.errors import InvalidInputError, StoreError
from retrieval.core.queries import (
    SearchRequest,
    TextQuery,
    TrackQuery,
    VectorQuery,
    WeightedQuery,
)
from retrieval.encoders.registry import EncoderSet
from retrieval.search import LocalLibrary
from tests.indexer.conftest import Place
from tests.indexer.importing import DIM, alike, features, held, reasons, run, save, vector


def test_each_vector_joins_the_recording_of_its_name(place: Place) -> None:
    place.song("a.wav", 1, title="One")
    place.song("x/b.flac", 2, title="Two")
    place.song("y/b.wav", 3)
    place.song("only.v2.wav", 4)
    for seed, name in enumerate(["a.npy", "x/b.npy", "y/b.NPY", "elsewhere/only.v2.npy"]):
        save(place, name, vector(seed))
    (features(place) / "y/b.NPY.npy").rename(features(place) / "y/b.NPY")
    sound, report = run(place, place.music)
    assert (sound.indexed, sound.failed) == (4, ())
    assert (report.found, report.added, report.failed) == (4, 4, ())
    for seed, name in enumerate(["a.wav", "x/b.flac", "y/b.wav", "only.v2.wav"]):
        assert alike(held(place, name), vector(seed))
    assert set(place.records()[0].vectors) == {"perceptual", "lexical", "other"}
    assert place.track("a.wav").payload["title"] == "One"
    assert report.revision.startswith("imported-")

    place.work()
    before = place.records()
    sound, report = run(place, place.music)
    assert (sound.unchanged, report.unchanged, place.work()) == (4, 4, 0)
    for old, new in zip(before, place.records(), strict=True):
        assert old.payload == new.payload
        assert np.array_equal(old.vectors["other"], new.vectors["other"])


def test_a_renamed_or_retagged_recording_keeps_its_vector(place: Place) -> None:
    place.song("a.flac", 1, title="One")
    save(place, "a.npy", vector(1))
    run(place, place.music)
    (place.music / "a.flac").rename(place.music / "b.flac")
    (features(place) / "a.npy").rename(features(place) / "b.npy")
    place.work()
    _, report = run(place, place.music, prune=True)
    assert (report.unchanged, report.removed, place.work()) == (1, 0, 0)
    assert alike(held(place, "b.flac"), vector(1))
    place.song("b.flac", 1, title="Other words")
    assert place.index().updated == 1
    assert alike(held(place, "b.flac"), vector(1))


def test_what_could_mean_two_is_refused(place: Place) -> None:
    place.song("x/same.wav", 1)
    place.song("y/same.wav", 2)
    place.song("z/twin.wav", 3)
    place.song("z/twin.flac", 4)
    place.song("one.wav", 5)
    place.song("copy.wav", 5)
    for seed, name in enumerate(
        ["same.npy", "z/twin.npy", "nothing.npy", "one.npy", "copy.npy", "p/q.npy", "p/q.NPY"]
    ):
        save(place, name, vector(seed))
    (features(place) / "p/q.NPY.npy").rename(features(place) / "p/q.NPY")
    _, report = run(place, place.music)
    assert reasons(report) == {
        "same.npy": "FEATURES_AMBIGUOUS",
        "twin.npy": "FEATURES_AMBIGUOUS",
        "nothing.npy": "FEATURES_UNMATCHED",
        "one.npy": "FEATURES_AMBIGUOUS",
        "q.npy": "FEATURES_AMBIGUOUS",
        "q.NPY": "FEATURES_AMBIGUOUS",
    }
    assert report.added == 1
    assert alike(held(place, "one.wav"), vector(4))
    save(place, "one.npy", vector(4))
    _, report = run(place, place.music)
    assert (report.unchanged, report.duplicates) == (1, 1)


def test_one_bad_file_is_one_line(place: Place) -> None:
    save(place, "good.npy", vector(1))
    save(place, "wide.npy", vector(2, DIM + 1))
    save(place, "nan.npy", np.full((1, DIM), np.nan))
    save(place, "zero.npy", np.zeros((1, DIM)))
    save(place, "rows.npy", np.ones((1, 3, DIM)))
    save(place, "more.npy", vector(3))
    (features(place) / "text.npy").write_text("no array")
    _, report = run(place)
    assert report.added == 2
    assert reasons(report) == {
        "wide.npy": "INVALID_VECTOR",
        "nan.npy": "INVALID_VECTOR",
        "zero.npy": "INVALID_VECTOR",
        "rows.npy": "INVALID_VECTOR",
        "text.npy": "FEATURES_UNREADABLE",
    }
    (message,) = [f.message for f in report.failed if f.path.endswith("rows.npy")]
    assert "--window" in message
    assert "MERT" in message


def test_frames_of_another_tool_come_in_as_their_mean(place: Place) -> None:
    frames = np.vstack([vector(1), 3 * vector(2), np.zeros((1, DIM), np.float32)])
    save(place, "frames.npy", frames)
    _, report = run(place)
    assert report.added == 1
    (record,) = place.records()
    assert alike(record.vectors["other"], frames.mean(axis=0)) and not record.segments
    save(place, "frames.npy", frames[:2])
    _, report = run(place, window=0.5)
    (record,) = place.records()
    assert [segment.span.end for segment in record.segments] == [0.5, 1.0]
    # Of a space that an encoder of ours fills, nobody knows whether such a mean lies in it.
    save(place, "frames.npy", frames)
    _, report = run(place, space="clamp3")
    assert reasons(report) == {"frames.npy": "INVALID_VECTOR"}


def test_vectors_alone_are_tracks_known_by_their_names(place: Place) -> None:
    save(place, "Blue Moon.npy", vector(1))
    save(place, "Jazz/So What.npy", vector(2))
    _, report = run(place)
    assert report.added == 2
    tracks = {str(t.payload["title"]): t for t in place.tracks()}
    assert set(tracks) == {"Blue Moon", "So What"}
    assert tracks["So What"].payload["folder"] == "Jazz"
    assert tracks["So What"].paths == ()
    library = place.library
    assert isinstance(library, LocalLibrary)

    def best(*queries: object) -> list[str]:
        request = SearchRequest(tuple(WeightedQuery(q) for q in queries))  # type: ignore[arg-type]
        return [str(hit.track.payload["title"]) for hit in library.search(request).hits]

    assert best(TextQuery("jazz")) == ["So What"]
    assert best(VectorQuery(tuple(vector(2)[0].tolist())))[0] == "So What"
    assert best(TrackQuery(tracks["So What"].id)) == ["Blue Moon"]

    # A second space under the same names meets in the same tracks.
    save(place, "Jazz/So What.npy", vector(3, 5))
    _, report = run(place, space="second")
    assert reasons(report) == {"Blue Moon.npy": "INVALID_VECTOR"} or report.added == 1
    assert {t.id for t in place.tracks()} == {t.id for t in tracks.values()}


def test_an_import_is_incremental_and_prunes_what_is_gone(place: Place) -> None:
    for seed in range(70):
        save(place, f"{seed:02d}.npy", vector(seed))
    assert run(place)[1].added == 70
    assert run(place)[1].unchanged == 70
    save(place, "00.npy", vector(100))
    (features(place) / "01.npy").unlink()
    save(place, "new.npy", vector(101))
    _, report = run(place)
    assert (report.added, report.updated, report.unchanged, report.removed) == (1, 1, 68, 0)
    assert len(place.tracks()) == 71
    _, report = run(place, prune=True)
    assert (report.unchanged, report.removed) == (70, 1)
    titles = {str(track.payload["title"]) for track in place.tracks()}
    assert "01" not in titles
    assert len(titles) == 70
    (replaced,) = [r for r in place.records() if r.payload["title"] == "00"]
    assert alike(replaced.vectors["other"], vector(100))


def test_pruning_takes_only_the_vector_from_a_recording(place: Place) -> None:
    place.song("a.wav", 1)
    place.song("b.wav", 2)
    for seed, name in enumerate("ab"):
        save(place, f"{name}.npy", vector(seed))
    run(place, place.music)
    (features(place) / "a.npy").unlink()
    _, report = run(place, place.music, prune=True)
    assert report.removed == 1
    assert held(place, "a.wav") is None
    assert held(place, "a.wav", "perceptual") is not None
    assert alike(held(place, "b.wav"), vector(1))
    # A recording whose sound is gone goes with its vector.
    (place.music / "b.wav").unlink()
    place.index(prune=True)
    assert [track.paths for track in place.tracks()] == [(str(place.music / "a.wav"),)]


def test_indexing_sound_leaves_vectors_alone(place: Place) -> None:
    save(place, "alone.npy", vector(1))
    run(place)
    place.song("a.wav", 1)
    assert place.index(prune=True).indexed == 1
    assert len(place.tracks()) == 2


def test_what_the_library_lost_is_imported_again(place: Place) -> None:
    save(place, "a.npy", vector(1))
    run(place)
    place.library.delete_tracks([track.id for track in place.tracks()])
    assert run(place)[1].added == 1
    assert len(place.tracks()) == 1


def test_a_stopped_import_keeps_what_is_finished(place: Place) -> None:
    for seed in range(200):
        save(place, f"{seed:03d}.npy", vector(seed))
    stop = threading.Event()
    seen = 0

    class Stopping(LocalLibrary):
        def write(self, records: object) -> None:
            super().write(records)  # type: ignore[arg-type]
            stop.set()

    assert place.store is not None
    place.library = Stopping(place.store, EncoderSet(place.encoders))
    _, report = run(place, stop=stop)
    seen = report.added
    assert report.interrupted
    assert 0 < seen < 200
    place.library = LocalLibrary(place.store, EncoderSet(place.encoders))
    _, report = run(place)
    assert (report.unchanged, report.added) == (seen, 200 - seen)


def test_a_killed_import_goes_on_where_it_was(place: Place) -> None:
    for seed in range(100):
        save(place, f"{seed:03d}.npy", vector(seed))

    class Dying(LocalLibrary):
        def write(self, records: object) -> None:
            # The library has them, and the manifest never hears of it.
            super().write(records)  # type: ignore[arg-type]
            raise StoreError("gone")

    assert place.store is not None
    place.library = Dying(place.store, EncoderSet(place.encoders))
    with pytest.raises(StoreError, match="gone"):
        run(place)
    before = {track.id for track in place.tracks()}
    assert 0 < len(before) < 100
    place.library = LocalLibrary(place.store, EncoderSet(place.encoders))
    assert run(place)[1].found == 100
    assert len(place.tracks()) == 100
    assert before < {track.id for track in place.tracks()}
    assert run(place)[1].unchanged == 100


def test_links_out_of_the_folder_are_refused(place: Place, tmp_path: Path) -> None:
    np.save(tmp_path / "secret.npy", vector(1))
    save(place, "a.npy", vector(2))
    (features(place) / "b.npy").symlink_to(tmp_path / "secret.npy")
    assert reasons(run(place)[1]) == {"b.npy": "LINK_OUTSIDE"}
    (features(place) / "empty").mkdir()
    with pytest.raises(InvalidInputError, match=r"\.npy"):
        index_features(
            features(place) / "empty",
            (),
            place.library,  # type: ignore[arg-type]
            EncoderSet(place.encoders),
            manifest_dir=place.data / "manifests",
            options=FeatureOptions("third"),
        )
