"""Both models through the indexer: steps, devices and hours never show in a vector."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from indexer import IndexOptions, IndexReport, index  # noqa: E402
from retrieval.core.tracks import TrackRecord  # noqa: E402
from retrieval.encoders.clamp3 import Clamp3Encoder  # noqa: E402
from retrieval.encoders.clap import ClapEncoder  # noqa: E402
from retrieval.encoders.registry import EncoderSet  # noqa: E402
from retrieval.search import LocalLibrary  # noqa: E402
from retrieval.settings import Settings  # noqa: E402
from retrieval.store import open_store  # noqa: E402
from retrieval.store.protocol import records  # noqa: E402
from tests.indexer.test_long import MIB, PeakMemory, spools_in, write_long  # noqa: E402
from tests.models.tiny import write_clamp3  # noqa: E402
from tests.models.tiny_clap import write_hub  # noqa: E402

RATE = 22_050
SECONDS = (4.0, 71.0, 12.0, 33.3, 0.7)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("place")
    write_hub(place / "models" / "clap")
    write_clamp3(place / "models" / "clamp3")
    (place / "music").mkdir()
    for seed, seconds in enumerate(SECONDS):
        rng = np.random.default_rng(seed)
        t = np.arange(round(seconds * RATE)) / RATE
        tones = sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(80, 6_000, 4))
        sound = 0.1 * tones * (1 + np.sin(2 * np.pi * rng.uniform(0.5, 4) * t))
        soundfile.write(place / "music" / f"{seed}.flac", sound, RATE)
    return place


@pytest.fixture(autouse=True)
def torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making graphs for ONNX Runtime takes time and memory that have nothing to do with sound."""
    monkeypatch.setenv("SEGUE_RUNTIME", "torch")


def fill(
    place: Path,
    data: Path,
    music: Path | None = None,
    *,
    around: AbstractContextManager[object] | None = None,
    **options: object,
) -> tuple[IndexReport, list[TrackRecord]]:
    encoders = EncoderSet(
        [
            ClapEncoder(place / "models" / "clap", device="cpu"),
            Clamp3Encoder(place / "models" / "clamp3", device="cpu"),
        ]
    )
    store = open_store(Settings(data_dir=data))
    chosen = IndexOptions(**({"workers": 2} | options))  # type: ignore[arg-type]
    with around or nullcontext():
        report = index(
            [music or place / "music"],
            LocalLibrary(store, encoders),
            encoders,
            manifest_dir=data / "manifests",
            options=chosen,
        )
    found = sorted(records(store), key=lambda record: record.id)
    store.close()
    return report, found


def test_neither_steps_nor_devices_nor_disk_show(place: Path, tmp_path: Path) -> None:
    _, plain = fill(place, tmp_path / "plain")
    assert len(plain) == len(SECONDS)
    report, other = fill(
        place, tmp_path / "other", step=7.0, spool_from=0, device="cpu,cpu", workers=1
    )
    assert (report.indexed, report.failed, report.notes) == (len(SECONDS), (), ())
    assert 0 < report.encoder_share <= 1
    for one, two in zip(plain, other, strict=True):
        assert one.id == two.id
        assert one.vectors.keys() == two.vectors.keys() == {"clap", "clamp3"}
        for space, vector in one.vectors.items():
            assert np.abs(vector - two.vectors[space]).max() <= 1e-6
        assert [s.span for s in one.segments] == [s.span for s in two.segments]
        for left, right in zip(one.segments, two.segments, strict=True):
            for space, vector in left.vectors.items():
                assert np.abs(vector - right.vectors[space]).max() <= 1e-6


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_two_hours_need_no_more_memory_than_minutes(place: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    write_long(music / "minutes.flac", 600)
    fill(place, tmp_path / "data", music, workers=1)
    (music / "minutes.flac").unlink()
    write_long(music / "hours.flac", 7_200)
    # 1.4 GB of prepared sound in the two spaces.
    peak = PeakMemory()
    report, found = fill(place, tmp_path / "data", music, around=peak, workers=1, prune=True)
    assert (report.indexed, report.failed) == (1, ())
    assert peak.grown < 300 * MIB
    assert 0 < peak.child < 220 * MIB
    assert not spools_in(tmp_path / "data")
    assert len(found[0].segments) == 720 + 479
