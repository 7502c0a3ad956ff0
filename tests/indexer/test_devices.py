"""Several devices: a process for each but the first, and runs that go on without one."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest
from pydantic import ValidationError

torch = pytest.importorskip("torch")

from indexer import Progress, Stage  # noqa: E402
from retrieval.core.errors import PreconditionError  # noqa: E402
from retrieval.encoders.device import device_names  # noqa: E402
from retrieval.settings import Settings  # noqa: E402
from tests.indexer.conftest import Place  # noqa: E402
from tests.indexer.encoders import RawEncoder  # noqa: E402

FILES = 12


@pytest.fixture(autouse=True)
def two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "workers", 2)


def prepare(place: Place, **options: object) -> RawEncoder:
    encoder = RawEncoder(place.log.path, **options)  # type: ignore[arg-type]
    place.encoders = [place.encoders[1], encoder]
    for seed in range(FILES):
        place.song(f"{seed}.flac", seed, seconds=4.0)
    return encoder


def words(encoder: RawEncoder, kind: str) -> list[list[str]]:
    return [line.split() for line in encoder.log.lines() if line.startswith(kind)]


def test_every_device_works_and_loads_once(place: Place, tmp_path: Path, template: Path) -> None:
    encoder = prepare(place, pause=0.05)
    report = place.index(device="cpu,cpu,cpu", step=2.0)
    assert (report.indexed, report.failed, report.notes) == (FILES, (), ())
    loads = words(encoder, "load")
    assert [device for _, device, _ in loads] == ["cpu", "cpu"]
    assert len({pid for _, _, pid in loads}) == 2
    heard: Counter[str] = Counter()
    for _, device, count in words(encoder, "forward"):
        heard[device] += int(count)
    assert sum(heard.values()) == 2 * FILES
    assert heard["here"] > 0
    assert heard["cpu"] > 0
    assert 0 < report.encoder_share <= 1
    assert report.encoder_seconds >= 0.05 * 2 * FILES

    other = Place(tmp_path / "other", template)
    prepare(other)
    other.index()
    for one, two in zip(place.records(), other.records(), strict=True):
        assert np.array_equal(one.vectors["raw"], two.vectors["raw"])
        for left, right in zip(one.segments, two.segments, strict=True):
            assert left.span == right.span
            assert np.array_equal(left.vectors["raw"], right.vectors["raw"])
    other.close()


@pytest.mark.parametrize("trouble", ["forward", "load"])
def test_a_device_that_breaks_down_is_done_without(place: Place, trouble: str) -> None:
    encoder = prepare(place, pause=0.05, trouble=trouble)
    report = place.index(device="cpu,cpu", step=2.0)
    assert (report.indexed, report.failed) == (FILES, ())
    assert [note.reason for note in report.notes] == ["DEVICE_LOST"]
    assert len(place.tracks()) == FILES
    heard = sum(int(n) for _, device, n in words(encoder, "forward") if device == "here")
    assert heard == 2 * FILES


def test_a_track_that_two_devices_broke_down_over_fails(place: Place) -> None:
    prepare(place, pause=0.05, trouble="forward")
    report = place.index(device="cpu,cpu,cpu", step=2.0)
    assert len(report.notes) == 2
    assert {failure.reason for failure in report.failed} <= {"DEVICE_LOST"}
    assert report.indexed + len(report.failed) == FILES
    assert report.indexed > 0


def test_a_stop_ends_the_processes(place: Place) -> None:
    prepare(place, pause=0.05)
    stop = threading.Event()

    def watch(now: Progress) -> None:
        if now.stage is Stage.INDEX and now.done >= 2:
            stop.set()

    report = place.index(device="cpu,cpu", step=2.0, batch=1, progress=watch, stop=stop)
    assert report.interrupted
    assert psutil.Process().children(recursive=True) == []
    assert report.failed == ()
    rest = place.index()
    assert rest.unchanged == report.indexed >= 2
    assert rest.indexed == FILES - report.indexed


def test_a_device_that_is_not_here(place: Place) -> None:
    prepare(place)
    with pytest.raises(PreconditionError) as caught:
        place.index(device="cpu,cuda:63")
    assert caught.value.reason == "MODEL_MISSING"
    assert "cuda:63" in caught.value.message


def test_encoders_without_networks_need_no_devices(place: Place) -> None:
    place.song("a.flac", 1)
    assert place.index(device="cpu,cuda:63").indexed == 1


@pytest.mark.parametrize("setting", ["auto", "cpu", "mps", "cuda", "cuda:1", "cuda:0,cuda:1"])
def test_settings_name_one_device_or_several(setting: str) -> None:
    assert Settings(device=setting).device == setting


@pytest.mark.parametrize("setting", ["", "gpu", "auto,cpu", "cuda:0,", "cuda:0;cuda:1", "cpu, cpu"])
def test_settings_that_name_no_devices(setting: str) -> None:
    with pytest.raises(ValidationError):
        Settings(device=setting)


def test_every_gpu_is_used_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    three = ["cuda:0", "cuda:1", "cuda:2"]
    assert device_names("auto") == device_names("cuda") == three
    assert device_names("cuda:1") == ["cuda:1"]
    assert device_names("cuda:2,cpu") == ["cuda:2", "cpu"]
    with pytest.raises(PreconditionError):
        device_names("cuda:0,cuda:3")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert device_names("cuda") == ["cuda"]
