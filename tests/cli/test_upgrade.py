"""A library made by an earlier ear, on the command line: what is said, and how it is brought up."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retrieval.core.tracks import TrackUpdate
from retrieval.encoders.registry import load
from retrieval.settings import Settings
from retrieval.store import open_store
from tests.cli.conftest import Segue
from tests.signals import encode, song

WORDS = {"SEGUE_ENCODERS": "lexical"}
BOTH = {"SEGUE_ENCODERS": "lexical,ear"}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Two songs with vectors of an ear that is no more."""
    folder = tmp_path / "music"
    folder.mkdir()
    for number, name in enumerate(("red", "blue")):
        (folder / f"{name}.flac").write_bytes(encode(song(number, 3.0), format="flac"))
    options = ("--workers", 1, "--no-describe", "--json")
    assert Segue("--data", tmp_path, settings=WORDS)("index", folder, *options).code == 0
    ear = replace(load("ear").space, revision="last-year")
    with contextlib.closing(open_store(Settings(data_dir=tmp_path))) as store:
        store.declare([ear])
        tracks, _ = store.scroll(limit=5)
        vector = np.ones(ear.dim, np.float32)
        store.update([TrackUpdate(one.id, one.payload, {"ear": vector}) for one in tracks])
    return tmp_path


def test_it_says_what_to_do_and_does_it(library: Path) -> None:
    segue = Segue("--data", library, settings=BOTH)
    refused = segue("index", library / "music", "--json")
    assert (refused.code, refused.error["reason"]) == (5, "REVISION_MISMATCH")
    assert "last-year" in refused.error["message"]
    assert "segue index --upgrade" in refused.error["message"]
    assert segue("index").code == segue("index", library, "--space", "ear").code == 2
    told = {one["name"]: one["problem"] for one in segue.json("spaces")["spaces"]}
    assert "segue index --upgrade" in told["ear"]
    assert told["lexical"] is None
    answer = segue.json("search", "blue")
    assert [one["space"] for one in answer["left_out"]] == ["ear"]
    assert len(answer["hits"]) == 1
    assert segue("search", "blue", "--space", "ear").code == 5
    wrong = segue("index", "--upgrade", "--space", "nowhere", "--json")
    assert (wrong.code, wrong.error["reason"]) == (2, "INVALID_SETTING")

    (library / "music" / "red.flac").unlink()
    done = segue("index", "--upgrade", "--space", "ear", "--workers", 1, "--no-describe")
    assert done.code == 0
    assert "Encoded anew: ear. 1 track has no vector in ear" in done.out
    again = segue.json("index", "--upgrade", "--workers", 1, "--no-describe")
    assert (again["found"], again["unchanged"]) == (1, 1)
    assert again["upgrade"]["spaces"] == []
    (without,) = again["upgrade"]["without"]
    assert without["paths"] == [str(library / "music" / "red.flac")]
    answer = segue.json("search", "blue sound", "--space", "ear")
    assert [hit["title"] for hit in answer["hits"]] == ["blue"]
    assert answer["left_out"] == []
    assert segue.json("tracks", "count")["count"] == 2


def test_there_must_be_a_library_to_upgrade(tmp_path: Path) -> None:
    done = Segue("--data", tmp_path, settings=BOTH)("index", "--upgrade", "--json")
    assert (done.code, done.error["reason"]) == (5, "LIBRARY_MISSING")
    assert not list(tmp_path.iterdir())
