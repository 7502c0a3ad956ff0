"""Conversion to safetensors: the same vectors and revision, whole or not at all."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from retrieval.encoders.clamp3 import Clamp3Encoder
from retrieval.encoders.clap import ClapEncoder
from retrieval.encoders.weights_lock import GUARD, read_lock
from tests.cli.conftest import Segue
from tests.models.hub import Hub

MAKE = {"clamp3": Clamp3Encoder, "clap": ClapEncoder, "tiny": ClapEncoder}
FOLDERS = {"clamp3": "clamp3", "clap": "clap", "tiny": "clap"}


@pytest.fixture
def run(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Segue:
    for name in [name for name in os.environ if name.startswith("SEGUE_")]:
        monkeypatch.delenv(name)
    return Segue("--data", tmp_path / "data")


@contextmanager
def room(size: int) -> Iterator[None]:
    """A disk on which no file grows beyond ``size`` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != GUARD]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", MAKE)
def test_in_place_nothing_changes_but_the_files(name: str, run: Segue, tmp_path: Path) -> None:
    assert run("models", "download", name, "--accept-licence").code == 0
    folder = tmp_path / "data" / "models" / FOLDERS[name]
    before = MAKE[name](folder, device="cpu")
    words = before.forward_text([before.prepare_text("fast piano")])[0]
    answer = run.json("models", "convert", name)
    assert answer["state"] == "ready"
    after = MAKE[name](folder, device="cpu")
    assert after.space == before.space
    again = after.forward_text([after.prepare_text("fast piano")])[0]
    assert np.abs(again - words).max() < 1e-6
    # The originals may go, and nobody asks for them again.
    written = {file["name"] for file in answer["files"]}
    lock = read_lock(folder)
    assert lock is not None
    for file in lock.files:
        if file.name not in written:
            (folder / file.name).unlink()
    assert MAKE[name](folder, device="cpu").space == before.space
    assert run("models", "verify", name, "--load").code == 0
    assert run.json("models", "download", name)["files"] == []


def test_elsewhere_the_originals_stay_as_they_were(run: Segue, tmp_path: Path) -> None:
    run("models", "download", "tiny")
    folder = tmp_path / "data" / "models" / "clap"
    before = contents(folder)
    told = run("models", "convert", "clap", "--to", tmp_path / "to")
    assert told.code == 0
    assert f"export SEGUE_CLAP_WEIGHTS={tmp_path / 'to'}" in told.out
    assert contents(folder) == before
    to, at = (ClapEncoder(place, device="cpu").space for place in (tmp_path / "to", folder))
    assert to == at
    assert run("models", "verify", "tiny", "--folder", tmp_path / "to").code == 0


def test_damaged_conversions_are_replaced_by_what_is_published(run: Segue, tmp_path: Path) -> None:
    run("models", "download", "clamp3", "--accept-licence")
    folder = tmp_path / "data" / "models" / "clamp3"
    revision = Clamp3Encoder(folder, device="cpu").space.revision
    run("models", "convert", "clamp3")
    (folder / "clamp3.safetensors").write_bytes(b"rotten")
    done = run("models", "verify", "clamp3")
    assert (done.code, "clamp3.safetensors" in done.err) == (5, True)
    assert run("models", "download", "clamp3").code == 0
    assert not (folder / "clamp3.safetensors").exists()
    assert Clamp3Encoder(folder, device="cpu").space.revision == revision


@pytest.mark.parametrize("name", ["clamp3", "tiny"])
def test_a_full_disk_leaves_the_folder_as_it_was(name: str, run: Segue, tmp_path: Path) -> None:
    run("models", "download", name, "--accept-licence")
    folder = tmp_path / "data" / "models" / FOLDERS[name]
    before, revision = contents(folder), MAKE[name](folder, device="cpu").space.revision
    with room(100_000):
        done = run("models", "convert", name, "--json")
    assert (done.code, done.error["reason"]) == (7, "DISK_FULL")
    assert str(folder) in done.error["message"]
    assert contents(folder) == before
    assert MAKE[name](folder, device="cpu").space.revision == revision
    assert run("models", "convert", name).code == 0


def test_a_disk_that_fills_while_downloading(run: Segue, hub: Hub, tmp_path: Path) -> None:
    with room(100_000):
        done = run("models", "download", "clap", "--json")
    assert (done.code, done.error["reason"]) == (7, "DISK_FULL")
    folder = tmp_path / "data" / "models" / "clap"
    part = folder / "model.safetensors.part"
    assert str(part) in done.error["message"]
    assert not (folder / "model.safetensors").exists()
    kept = part.stat().st_size
    assert 0 < kept <= 100_000
    hub.asked.clear()
    assert run("models", "download", "clap").code == 0
    ranges = [h.get("Range") for m, p, h in hub.asked if m == "GET" and p.startswith("/cdn/")]
    assert ranges == [f"bytes={kept}-"]


def test_what_cannot_be_read_is_not_half_converted(run: Segue, tmp_path: Path) -> None:
    run("models", "download", "tiny")
    folder = tmp_path / "data" / "models" / "clap"
    data = (folder / "tiny.pt").read_bytes()
    (folder / "tiny.pt").write_bytes(data[: len(data) // 2])
    before = contents(folder)
    done = run("models", "convert", "clap", "--json")
    assert (done.code, done.error["reason"]) == (5, "MODEL_INVALID")
    assert "tiny.pt" in done.error["message"]
    assert contents(folder) == before


def test_what_a_kill_left_behind_is_cleared(run: Segue, tmp_path: Path) -> None:
    run("models", "download", "tiny")
    folder = tmp_path / "data" / "models" / "clap"
    (folder / ".converting-killed").mkdir()
    (folder / ".converting-killed" / "config.json").write_text("{}")
    assert ClapEncoder(folder, device="cpu").space.dim == 48
    assert run("models", "convert", "clap").code == 0
    assert not list(folder.glob(".converting-*"))
