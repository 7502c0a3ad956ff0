"""CLAMP3's vectors, of a tiny model in its true file formats, out and in again and found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from indexer import IndexOptions, index  # noqa: E402
from indexer.compare import Comparison, compare  # noqa: E402
from indexer.features import FeatureOptions, index_features  # noqa: E402
from indexer.features_export import ExportOptions, export_features  # noqa: E402
from indexer.features_report import FeatureReport  # noqa: E402
from indexer.sides import read_side, text_side  # noqa: E402
from retrieval.core.errors import InvalidInputError, PreconditionError  # noqa: E402
from retrieval.core.queries import (  # noqa: E402
    AudioQuery,
    Query,
    SearchRequest,
    TextQuery,
    TrackQuery,
    WeightedQuery,
)
from retrieval.encoders.clamp3 import Clamp3Encoder  # noqa: E402
from retrieval.encoders.protocol import Encoder  # noqa: E402
from retrieval.encoders.registry import EncoderSet, load  # noqa: E402
from retrieval.search import LocalLibrary  # noqa: E402
from retrieval.settings import Settings  # noqa: E402
from retrieval.store import open_store  # noqa: E402
from tests.models.tiny import WIDTH, write_clamp3  # noqa: E402
from tests.signals import encode, song  # noqa: E402

RECORDINGS = Path(__file__).parents[3] / "shared" / "audio"
OPTIONS = IndexOptions(workers=1)


@pytest.fixture(scope="module")
def clamp3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamp3Encoder]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    write_clamp3(folder)
    yield Clamp3Encoder(folder, device="cpu")
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("music")
    for name, seed, seconds in (("a/one", 1, 4.0), ("a/two", 2, 7.0), ("three", 3, 11.0)):
        path = folder / f"{name}.flac"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(song(seed, seconds), format="flac"))
    for name in ("robin.ogg", "trumpet.ogg"):
        if (RECORDINGS / name).exists():
            (folder / name).write_bytes((RECORDINGS / name).read_bytes())
    return folder


@contextmanager
def opened(data: Path, *encoders: Encoder) -> Iterator[tuple[LocalLibrary, EncoderSet]]:
    chosen = EncoderSet(encoders)
    library = LocalLibrary(open_store(Settings(data_dir=data)), chosen)
    try:
        yield library, chosen
    finally:
        library.close()


def fill(
    data: Path, library: LocalLibrary, encoders: EncoderSet, folder: Path, *paths: Path, **more: str
) -> FeatureReport:
    options = FeatureOptions(sound=OPTIONS, **more)  # type: ignore[arg-type]
    manifests = data / "manifests"
    return index_features(
        folder, paths, library, encoders, manifest_dir=manifests, options=options
    )[1]


def test_out_and_in_and_found(clamp3: Clamp3Encoder, music: Path, tmp_path: Path) -> None:
    count = len(list(music.rglob("*.*")))
    with opened(tmp_path / "a", clamp3, load("lexical")) as (library, encoders):
        report = index([music], library, encoders, manifest_dir=tmp_path / "m", options=OPTIONS)
        assert (report.indexed, report.failed) == (count, ())
        export_features(library, tmp_path / "out", ExportOptions(("clamp3",)))
        ids = [track.id for track in library.list_tracks().tracks]
        before = library.fetch_records(ids)
        queries: list[Query] = [
            TextQuery("slow bird"),
            AudioQuery((music / "a/two.flac").read_bytes()),
            TrackQuery(ids[0]),
        ]
        answers = [ask(library, query) for query in queries]
    folder = tmp_path / "out" / "features"
    array = np.load(folder / "a" / "two.npy", allow_pickle=False)
    assert (array.dtype, array.shape) == (np.float32, (1, WIDTH))

    # Into a library that never had the model, and asked with it after a restart.
    with opened(tmp_path / "b", load("lexical")) as (library, encoders):
        assert fill(tmp_path / "b", library, encoders, folder).added == count
    with opened(tmp_path / "b", clamp3, load("lexical")) as (library, encoders):
        after = library.fetch_records(ids)
        assert [record.payload for record in after] == [record.payload for record in before]
        for old, new in zip(before, after, strict=True):
            assert np.array_equal(old.vectors["clamp3"], new.vectors["clamp3"])
        assert [ask(library, query) for query in queries] == answers
        # The same sound is the same tracks, and the model has nothing to do.
        heard: list[object] = []
        clamp3.__dict__["forward_audio"] = heard.append
        manifests = tmp_path / "b" / "manifests"
        report = index([music], library, encoders, manifest_dir=manifests, options=OPTIONS)
        del clamp3.__dict__["forward_audio"]
        assert (report.failed, heard) == ((), [])
        assert [record.id for record in library.fetch_records(ids)] == ids


def ask(
    library: LocalLibrary, query: TextQuery | AudioQuery | TrackQuery
) -> list[tuple[str, float]]:
    request = SearchRequest((WeightedQuery(query, spaces=("clamp3",)),))
    return [(hit.track.id, hit.score) for hit in library.search(request).hits]


def test_the_references_folder_beside_the_sound(
    clamp3: Clamp3Encoder, music: Path, tmp_path: Path
) -> None:
    made = {}
    for seed, name in enumerate(("a/one", "a/two", "three")):
        path = tmp_path / "features" / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        made[name] = np.random.default_rng(seed).normal(size=(1, WIDTH)).astype(np.float32)
        np.save(path, made[name])
    with opened(tmp_path / "data", clamp3, load("lexical")) as (library, encoders):
        report = fill(
            tmp_path / "data",
            library,
            encoders,
            tmp_path / "features",
            music,
            space="clamp3",
            revision="here",
        )
        assert (report.added, report.revision) == (3, clamp3.space.revision)
        assert len(ask(library, TextQuery("loud drums"))) == 3
        # Rows of MERT are as wide as CLAMP3's vectors, and mean nothing there.
        np.save(tmp_path / "features" / "three.npy", np.ones((1, 3, WIDTH), np.float32))
        report = fill(tmp_path / "data", library, encoders, tmp_path / "features", space="clamp3")
        assert "MERT" in next(f.message for f in report.failed if "three" in f.path)


def test_compare_with_clamp3(clamp3: Clamp3Encoder, music: Path, tmp_path: Path) -> None:
    def told(a: object, b: object, **more: bool) -> Comparison:
        return compare(a, b, [load("perceptual"), clamp3], options=OPTIONS, **more)  # type: ignore[arg-type]

    folder = read_side(music / "a")
    assert told(folder, folder).means["clamp3"] == pytest.approx(1.0, abs=1e-6)
    assert told(folder, folder, group=True).means["clamp3"] == pytest.approx(1.0, abs=1e-6)
    said = told(text_side("slow bird"), folder)
    assert set(said.means) == {"clamp3"}
    assert {pair.b for pair in said.pairs} == {"one", "two"}
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text("slow bird")
    written = told(read_side(tmp_path), folder)
    assert {pair.b: pair.scores for pair in written.pairs} == {
        pair.b: pytest.approx(pair.scores) for pair in said.pairs
    }
    np.save(tmp_path / "one.npy", np.ones((1, WIDTH), np.float32))
    mixed = told(read_side(tmp_path / "one.npy"), read_side(music / "three.flac"))
    assert set(mixed.means) == {"clamp3"}
    np.save(tmp_path / "one.npy", np.ones((1, WIDTH + 1), np.float32))
    with pytest.raises(PreconditionError, match=str(WIDTH + 1)):
        told(read_side(tmp_path / "one.npy"), read_side(music / "three.flac"))
    with pytest.raises(InvalidInputError, match="nothing here"):
        read_side(tmp_path / "missing.wav")
