"""A small indexed library of generated songs, reached in process and through a service."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from retrieval.cli.app import segue
from retrieval.cli.child_service import ChildService
from tests.signals import encode, song

TITLES = ("Red River", "Blue Moon", "Green Fields", "White Noise [live]", "Black Dog", "Grey Day")
ARTISTS = ("Ada", "Ben", "Ada", "Cleo", "Ben", "Ada")
GENRES = ("folk", "jazz", "folk", "noise", "rock", "jazz")


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def error(self):
        return json.loads(self.err)["error"]

    @property
    def rows(self):
        return [line.split("\t") for line in self.out.splitlines()]


# What is asked of most commands is simpler where words are compared with words only, and sounds in
# one space. `test_default.py` takes the encoders that users get.
FEW = {"SEGUE_ENCODERS": "perceptual,lexical"}


class Segue:
    """Runs commands with fixed global options and settings."""

    def __init__(self, *options: object, settings: Mapping[str, str] = FEW) -> None:
        self.options = [str(option) for option in options]
        self.settings = settings

    def __call__(self, *args: object, input: str | None = None) -> Result:
        done = CliRunner(env=self.settings).invoke(
            segue, [*self.options, *map(str, args)], input=input
        )
        return Result(done.exit_code, done.stdout, done.stderr)

    def json(self, *args: object):
        result = self(*args, "--json")
        assert result.code == 0, result.err
        return result.json


@dataclass
class Music:
    folder: Path
    data: Path

    def path(self, number: int) -> Path:
        return self.folder / f"{number:02d}.flac"


def make_music(root: Path) -> Music:
    folder = root / "music"
    folder.mkdir()
    for number in range(len(TITLES)):
        samples = song(number + 1, 12.0)
        (folder / f"{number:02d}.flac").write_bytes(encode(samples, format="flac"))
    with (root / "catalogue.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "title", "artist", "genre", "bpm", "mood"])
        for number, (title, artist, genre) in enumerate(zip(TITLES, ARTISTS, GENRES, strict=True)):
            writer.writerow([f"{number:02d}.flac", title, artist, genre, 90 + 10 * number, "calm"])
    return Music(folder, root / "data")


@pytest.fixture(scope="session", autouse=True)
def _own_settings():
    """No setting of the machine reaches a test."""
    import os

    for name in [name for name in os.environ if name.startswith("SEGUE_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def music(tmp_path_factory) -> Music:
    root = tmp_path_factory.mktemp("cli")
    made = make_music(root)
    done = Segue("--data", made.data)(
        *("index", made.folder, "--metadata", root / "catalogue.csv", "--workers", 2, "--json")
    )
    assert done.code == 0, done.err
    assert done.json["indexed"] == len(TITLES)
    return made


@pytest.fixture(scope="session")
def run(music) -> Segue:
    """Commands on the library, in this process."""
    return Segue("--data", music.data)


@pytest.fixture(scope="session")
def ids(run) -> list[str]:
    """Track ids in the order of the files."""
    tracks = run.json("tracks", "list")["tracks"]
    return [track["track"] for track in sorted(tracks, key=lambda track: track["paths"])]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Commands on a copy of the library, through a service."""
    root = tmp_path_factory.mktemp("served")
    made = make_music(root)
    done = Segue("--data", made.data)(
        *("index", made.folder, "--metadata", root / "catalogue.csv", "--workers", 2)
    )
    assert done.code == 0, done.err
    with ChildService(made.data, "music", FEW) as service:
        yield made, Segue("--address", service.address, "--data", root / "nothing")
    assert service.exit_code == 0
