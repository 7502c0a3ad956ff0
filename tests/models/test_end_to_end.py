"""From files to answers through both models, tiny and random: index, restart, ask, add a space."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from indexer import IndexOptions, IndexReport, index  # noqa: E402
from retrieval.core.errors import PreconditionError  # noqa: E402
from retrieval.core.queries import (  # noqa: E402
    AudioQuery,
    Query,
    SearchRequest,
    SearchResponse,
    TextQuery,
    WeightedQuery,
)
from retrieval.encoders.clamp3 import Clamp3Encoder  # noqa: E402
from retrieval.encoders.clap import ClapEncoder  # noqa: E402
from retrieval.encoders.protocol import Encoder  # noqa: E402
from retrieval.encoders.registry import EncoderSet  # noqa: E402
from retrieval.search import LocalLibrary  # noqa: E402
from retrieval.settings import Settings  # noqa: E402
from retrieval.store import open_store  # noqa: E402
from tests.models.tiny import write_clamp3  # noqa: E402
from tests.models.tiny_clap import write_hub  # noqa: E402

RATE = 22_050
SECONDS = {"short": 4.0, "middle": 12.0, "long": 40.0}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place")
    write_hub(place / "models" / "clap")
    write_clamp3(place / "models" / "clamp3")
    (place / "music").mkdir()
    for seed, (name, seconds) in enumerate(SECONDS.items()):
        rng = np.random.default_rng(seed)
        t = np.arange(round(seconds * RATE)) / RATE
        tones = sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(80, 6_000, 4))
        sound = 0.1 * tones * (1 + np.sin(2 * np.pi * rng.uniform(0.5, 4) * t))
        soundfile.write(place / "music" / f"{name}.flac", sound, RATE)
    return place


def clap(place: Path) -> ClapEncoder:
    return ClapEncoder(place / "models" / "clap", device="cpu")


def clamp3(place: Path) -> Clamp3Encoder:
    return Clamp3Encoder(place / "models" / "clamp3", device="cpu")


@contextmanager
def opened(place: Path, *encoders: Encoder) -> Iterator[tuple[LocalLibrary, EncoderSet]]:
    chosen = EncoderSet(encoders)
    library = LocalLibrary(open_store(Settings(data_dir=place / "data")), chosen)
    try:
        yield library, chosen
    finally:
        library.close()


def fill(place: Path, library: LocalLibrary, encoders: EncoderSet) -> IndexReport:
    return index(
        [place / "music"],
        library,
        encoders,
        manifest_dir=place / "data" / "manifests",
        options=IndexOptions(workers=2),
    )


def ask(library: LocalLibrary, query: Query, *spaces: str) -> SearchResponse:
    return library.search(SearchRequest((WeightedQuery(query, spaces=spaces),)))


def test_index_restart_ask_and_add_a_space(place: Path) -> None:
    with opened(place, clap(place)) as (library, encoders):
        report = fill(place, library, encoders)
        assert (report.indexed, report.failed) == (3, ())
        ids = [track.id for track in library.list_tracks().tracks]
        before = library.fetch_records(ids)
    with opened(place, clap(place), clamp3(place)) as (library, encoders):
        heard: list[object] = []
        encoders["clap"].__dict__["forward_audio"] = heard.append
        report = fill(place, library, encoders)
        assert (report.updated, report.failed, heard) == (3, (), [])
        del encoders["clap"].__dict__["forward_audio"]
        for old, new in zip(before, library.fetch_records(ids), strict=True):
            assert np.array_equal(old.vectors["clap"], new.vectors["clap"])
            assert set(new.vectors) == {"clap", "clamp3"}
        assert set(library.info().spaces) == {"clap", "clamp3"}
        for space in ("clap", "clamp3"):
            for name in SECONDS:
                data = (place / "music" / f"{name}.flac").read_bytes()
                best = ask(library, AudioQuery(data), space).hits[0]
                assert best.track.paths[0].endswith(f"{name}.flac")
                assert best.score == pytest.approx(1, abs=2e-3)
            assert len(ask(library, TextQuery("fast piano"), space).hits) == 3
    with opened(place, clap(place), clamp3(place)) as (library, _):
        data = (place / "music" / "long.flac").read_bytes()
        (first, *_) = ask(library, AudioQuery(data)).hits
        assert first.track.paths[0].endswith("long.flac")
        spans = {(s.span.start, s.span.end) for s in first.segments}
        assert spans
        assert all(end <= SECONDS["long"] for _, end in spans)


def test_other_weights_are_not_mixed_in(place: Path, tmp_path: Path) -> None:
    write_clamp3(tmp_path / "models" / "clamp3", seed=1)
    (tmp_path / "music").symlink_to(place / "music")
    with opened(tmp_path, clamp3(tmp_path)) as (library, encoders):
        fill(tmp_path, library, encoders)
    with opened(tmp_path, clamp3(place)) as (library, encoders):
        with pytest.raises(PreconditionError) as caught:
            fill(tmp_path, library, encoders)
        assert caught.value.reason == "REVISION_MISMATCH"
        data = (place / "music" / "short.flac").read_bytes()
        with pytest.raises(PreconditionError):
            ask(library, AudioQuery(data), "clamp3")
