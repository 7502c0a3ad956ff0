"""`segue demo`: right on a good library, and honest about a bad one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from indexer.synth.catalogue import catalogue
from retrieval.cli.child_service import ChildService
from retrieval.cli.demo_questions import Answer, ask_all
from retrieval.cli.demo_report import Show, print_show
from retrieval.client import Client
from retrieval.core.errors import StoreError
from retrieval.encoders.registry import default_encoders
from retrieval.settings import Settings
from retrieval.store import open_store


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "retrieval.cli", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo has run once."""
    folder = tmp_path_factory.mktemp("demo")
    done = demo("--keep", str(folder), "--json")
    assert done.returncode in (0, 1), done.stderr
    said = json.loads(done.stdout)
    assert [answer["question"] for answer in said["answers"] if not answer["right"]] == []
    assert said["tracks"] == 40
    assert said["service_exit"] == 0
    assert [answer["kind"] for answer in said["answers"]] == [
        *("text", "meaning", "track", "audio", "vector")
    ]
    assert all(answer["hits"] for answer in said["answers"])
    assert said["right"]
    assert done.returncode == 0
    return folder


def test_second_run_renders_and_encodes_nothing(kept: Path) -> None:
    music = [path for path in kept.joinpath("music").rglob("*.*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in music}
    done = demo("--keep", str(kept))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All five answers are right." in done.stdout
    assert "“Under Sodium Light”" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in music} == before


def test_a_library_kept_since_an_older_encoder_is_made_anew(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept / "music", tmp_path / "music")
    store = open_store(Settings(data_dir=tmp_path / "data", library="demo", qdrant_url=None))
    try:
        (space,) = (s for s in default_encoders().spaces() if s.name == "perceptual")
        store.declare([replace(space, revision="an older one")])
    finally:
        store.close()
    done = demo("--keep", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


def test_answers_are_judged_by_the_truth(kept: Path) -> None:
    """Had we written other pieces under these titles, the same answers would be wrong."""
    pieces = catalogue()
    with ChildService(kept / "data", "demo") as service:
        client = Client(service.address)
        try:
            assert all(answer.correct for answer in ask_all(client, pieces))
            # Everyone's title now names the piece ten places on: another style.
            titles = [piece.tags for piece in pieces]
            shifted = [
                replace(piece, tags=tags)
                for piece, tags in zip(pieces, titles[10:] + titles[:10], strict=True)
            ]
            answers = ask_all(client, shifted)
        finally:
            client.close()
    # The vector's question is put by title alone, so it stays right.
    assert [answer.correct for answer in answers] == [False, False, False, False, True]
    assert service.exit_code == 0
    show = Show(pieces, 40, answers, 0, dict.fromkeys(("render", "index", "start", "stop"), 0.0))
    assert not show.right
    console = Console(record=True, width=120, file=sys.stderr)
    print_show(show, console, None, "demo")
    assert "Not right: 1 of 5 answers" in console.export_text()


def test_nothing_less_than_everything_is_right() -> None:
    pieces = catalogue(1)
    good = Answer("text", "", "", (), (True,), None)  # type: ignore[arg-type]
    complete = Show(pieces, 10, (good,) * 5, 0)
    assert complete.right
    for change in (
        {"tracks": 9},
        {"answers": (good,) * 4},
        {"answers": (good, good, good, good, replace(good, right=(True, False)))},
        {"answers": (good, good, good, good, replace(good, right=()))},
        {"service_exit": 1},
        {"service_exit": None},
    ):
        assert not replace(complete, **change).right


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    service = ChildService(tmp_path, "demo", {"SEGUE_MAX_CONCURRENT": "none"})
    with pytest.raises(StoreError, match=r"did not start(.|\n)*max_concurrent"):
        service.__enter__()
    assert service.exit_code == 2
