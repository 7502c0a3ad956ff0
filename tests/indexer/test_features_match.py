"""Which recording a file of vectors belongs to: one, or it is said why not; never two."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.features_layout import Layout, NamedTrack
from indexer.features_match import Matcher, SoundNames, Target, name_id
from indexer.features_rows import FeatureManifest, FeatureRow
from indexer.report import Failure
from indexer.rows import FileRow, TrackRow
from indexer.scan import FoundFile
from retrieval.core.spaces import Distance, EmbeddingSpace

# Few letters, so that names meet: in case, in accents, in folders, in dots.
PART = st.text(st.sampled_from("aAe\u0301\u00e9."), min_size=1, max_size=2).filter(
    lambda part: part.strip(".") != ""
)
NAMES = st.lists(
    st.lists(PART, min_size=1, max_size=2).map("/".join), min_size=1, max_size=12, unique=True
)


@pytest.fixture
def manifest(tmp_path: Path) -> Iterator[FeatureManifest]:
    with closing(FeatureManifest(tmp_path / "m.sqlite", "library")) as manifest:
        yield manifest


def files(names: list[str], *extensions: str) -> list[FoundFile]:
    return [
        FoundFile(f"/v/{name}{extension}", "/v", 1, 1)
        for name in names
        for extension in (extensions or (".npy",))
    ]


def normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


@given(names=NAMES, twice=st.booleans())
def test_vectors_alone_never_meet_by_accident(names: list[str], twice: bool) -> None:
    found = files(names, *((".npy", ".NPY") if twice else (".npy",)))
    matcher = Matcher(found, None, None, manifest=None)  # type: ignore[arg-type]
    results = [matcher.match(file) for file in found]
    ids = [one.track_id for one in results if isinstance(one, Target)]
    assert len(set(ids)) == len(ids)
    alone = {n for n in map(normal, names) if list(map(normal, names)).count(n) == 1}
    assert set(ids) == (set() if twice else {name_id(name) for name in alone})
    assert {one.reason for one in results if isinstance(one, Failure)} <= {"FEATURES_AMBIGUOUS"}


@given(sounds=NAMES, vectors=NAMES)
def test_a_vector_joins_the_only_recording_that_it_can_mean(
    tmp_path_factory: pytest.TempPathFactory, sounds: list[str], vectors: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "match.sqlite"
    path.unlink(missing_ok=True)
    tracks = {name: f"t{number % 3}" for number, name in enumerate(sounds)}
    with closing(FeatureManifest(path, "library")) as manifest:
        with manifest.transaction():
            for track in set(tracks.values()):
                manifest.put_track(TrackRow(track, {}, ""))
            for name, track in tracks.items():
                manifest.put_file(row(f"/m/{name}.wav", track))
        found = files(vectors)
        matcher = Matcher(found, None, SoundNames(manifest, ["/m"]), manifest)
        results = {name: matcher.match(f) for name, f in zip(vectors, found, strict=True)}
    for name, result in results.items():
        stems = [PurePosixPath(normal(other)).name for other in vectors]
        stem = PurePosixPath(normal(name)).name
        exact = {t for s, t in tracks.items() if normal(s) == normal(name)}
        loose = {t for s, t in tracks.items() if PurePosixPath(normal(s)).name == stem}
        wanted = exact or (loose if stems.count(stem) == 1 else set())
        if [*map(normal, vectors)].count(normal(name)) > 1 or len(wanted) > 1:
            assert isinstance(result, Failure)
            assert result.reason == "FEATURES_AMBIGUOUS"
        elif wanted:
            assert result == Target(wanted.pop(), False)
        else:
            assert isinstance(result, Failure)
            assert result.reason == "FEATURES_UNMATCHED"


def row(path: str, track: str, *, missing: bool = False) -> FileRow:
    return FileRow(path, "/m", 1, 1, None, track, "wav", {}, 1, missing=missing)


def test_sounds_that_are_gone_take_no_vector(manifest: FeatureManifest) -> None:
    with manifest.transaction():
        manifest.put_track(TrackRow("t", {}, ""))
        manifest.put_file(row("/m/a.wav", "t", missing=True))
        manifest.put_file(row("/m/sub/b.wav", "t"))
    # Names are relative to the path that was given, and a single file is its own.
    for roots, name, found in (
        (["/m"], "a", False),
        (["/m"], "sub/b", True),
        (["/m/sub"], "b", True),
        (["/m/sub/b.wav"], "b", True),
        (["/n"], "b", False),
    ):
        (file,) = files([name])
        matcher = Matcher([file], None, SoundNames(manifest, roots), manifest)
        assert isinstance(matcher.match(file), Target) == found


def test_an_exports_list_goes_before_names(manifest: FeatureManifest) -> None:
    space = EmbeddingSpace("s", 2, Distance.COSINE, "r")
    layout = Layout(space, (), {"a.npy": NamedTrack("known", {"title": "A"})})
    (a, b) = files(["a", "b"])
    alone = Matcher([a, b], layout, None, manifest)
    assert alone.match(a) == Target("known", True, {"title": "A"})
    refused = alone.match(b)
    assert isinstance(refused, Failure)
    assert refused.reason == "FEATURES_UNLISTED"
    with manifest.transaction():
        for track in ("known", "other"):
            manifest.put_track(TrackRow(track, {}, ""))
        manifest.put_file(row("/m/a.wav", "other"))
        manifest.put_file(row("/m/elsewhere.wav", "known"))
    joined = Matcher([a, b], layout, SoundNames(manifest, ["/m"]), manifest)
    assert joined.match(a) == Target("known", False)


def test_rows_of_vectors_keep_recordings_of_their_own_only(manifest: FeatureManifest) -> None:
    def features(path: str, track: str, *, alone: bool) -> FeatureRow:
        return FeatureRow(path, "s", "/v", 1, 1, "d", "r", track, alone)

    with manifest.transaction():
        for track in ("alone", "joined", "bare"):
            manifest.put_track(TrackRow(track, {}, ""))
        manifest.put_features(features("/v/a.npy", "alone", alone=True))
        manifest.put_features(features("/v/b.npy", "joined", alone=False))
    assert manifest.orphans() == ["bare", "joined"]
    assert [r.path for r in manifest.features_under("/v", "s")] == ["/v/a.npy", "/v/b.npy"]
    assert not [*manifest.features_under("/v", "t"), *manifest.features_under("/w", "s")]
    with manifest.transaction():
        manifest.delete_tracks(["alone"])
    assert manifest.features("/v/a.npy", "s") is None
    assert manifest.features("/v/b.npy", "s") == features("/v/b.npy", "joined", alone=False)
