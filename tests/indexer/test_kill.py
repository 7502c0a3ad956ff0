"""kill -9 at random instants: nothing committed is lost, nothing committed is done again."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indexer.manifest import Manifest
from retrieval.audio import open_audio
from retrieval.core.spaces import SparseVector
from retrieval.core.tracks import TrackRecord
from retrieval.encoders.audio_pass import prepare_track
from retrieval.settings import Settings
from retrieval.store import open_store
from retrieval.store.protocol import records
from tests.indexer.conftest import retag
from tests.indexer.encoders import CountingPerceptual, Log
from tests.signals import encode, song, to_int16

FILES = 50


class Runs:
    """Runs over one folder, each in its own process, some of them killed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.music = folder / "music"
        self.data = folder / "data"
        self.random = random.Random(seed)
        self.count = 0
        self.sounds: dict[str, str] = {}
        self.stride = 5
        self.seen: list[int] = []

    def start(self, data: Path, *, prune: bool = False) -> tuple[subprocess.Popen[str], Log]:
        self.count += 1
        log = self.folder / f"log-{self.count}"
        how = "prune" if prune else "keep"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.indexer.indexing", data, self.music, log, how],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process, Log(log)

    def finish(self, data: Path, *, prune: bool = False) -> tuple[dict[str, Any], set[str]]:
        """A run to its end; the report, and the sounds that were prepared."""
        process, log = self.start(data, prune=prune)
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        sounds = prepared(log)
        assert len(sounds) == len(set(sounds)), "the same sound was prepared twice"
        return json.loads(output.splitlines()[-1]), set(sounds)

    def kill(self, *, prune: bool = False) -> None:
        """A run that is killed at a random instant of its start, its work or its end."""
        known = self.committed()
        process, log = self.start(self.data, prune=prune)
        assert process.stdout is not None
        unchanged = 0
        wanted = self.random.choice([None, *range(1, 2 * self.stride), "finish"])
        for line in process.stdout if wanted is not None else ():
            if line.startswith("{"):
                break
            stage, done = line.split()
            if stage == "index":
                unchanged = unchanged or int(done)
                if isinstance(wanted, int) and int(done) - unchanged >= wanted:
                    break
            elif stage == wanted:
                break
        time.sleep(self.random.uniform(0.0, 1.0 if wanted is None else 0.1))
        process.kill()
        process.communicate(timeout=60)
        time.sleep(0.2)  # a worker may still end its file
        assert not known & set(prepared(log)), "what was committed is prepared again"
        now = self.committed()
        assert known <= now or prune, "what was committed is lost"
        self.seen.append(len(now))

    def committed(self) -> set[str]:
        """Sounds of the files in the manifest, which the library must hold, whole."""
        manifests = list((self.data / "manifests").glob("*.sqlite"))
        if not manifests:
            return set()
        store = open_store(Settings(data_dir=self.data))
        try:
            manifest = Manifest(manifests[0], store.info().id)
            rows = list(manifest.files_under(str(self.music)))
            manifest.close()
            ids = sorted({row.track_id for row in rows})
            held = store.retrieve(ids, vectors=True, segments=True) if ids else ()
        finally:
            store.close()
        assert [record.id for record in held] == ids
        assert all(record.segments and len(record.vectors) == 2 for record in held)
        return {self.sounds[row.track_id] for row in rows}

    def learn(self) -> None:
        """Find out what the log calls the sounds that are there now."""
        log = Log(self.folder / "learnt")
        for path in sorted(self.music.iterdir()):
            with open_audio(path) as reader:
                track = prepare_track(reader, [CountingPerceptual(log.path)])
            self.sounds[track.track_id] = prepared(log)[-1]


def prepared(log: Log) -> list[str]:
    return [line.split()[1] for line in log.lines() if line.startswith("prepare")]


def contents(data: Path) -> list[TrackRecord]:
    store = open_store(Settings(data_dir=data))
    try:
        return sorted(records(store), key=lambda record: record.id)
    finally:
        store.close()


def assert_same(left: list[TrackRecord], right: list[TrackRecord]) -> None:
    """Equal but for the date of the first write."""
    assert [record.id for record in left] == [record.id for record in right]
    for one, two in zip(left, right, strict=True):
        assert dict(one.payload) | {"indexed_at": ""} == dict(two.payload) | {"indexed_at": ""}
        assert_same_vectors(one.vectors, two.vectors)
        assert [s.span for s in one.segments] == [s.span for s in two.segments]
        for segment, other in zip(one.segments, two.segments, strict=True):
            assert_same_vectors(segment.vectors, other.vectors)


def assert_same_vectors(left: Mapping[str, Any], right: Mapping[str, Any]) -> None:
    assert left.keys() == right.keys()
    for space, vector in left.items():
        other = right[space]
        if isinstance(vector, SparseVector):
            assert np.array_equal(vector.indices, other.indices)
            assert np.allclose(vector.values, other.values, rtol=1e-5)
        else:
            assert np.allclose(vector, other, rtol=1e-5, atol=1e-5)


def write(path: Path, seed: int, title: str) -> None:
    kind = path.suffix[1:]
    sound = to_int16(song(seed, 1.05, rate=16_000))
    path.write_bytes(retag(encode(sound, 16_000, kind), kind, title=title))


def sound_of(number: int) -> int:
    """Every tenth file sounds as the one two before it, in the same format."""
    return number - 2 * (number % 10 == 9)


@pytest.mark.parametrize(
    ("kills", "seed"),
    [(4, 1), pytest.param(25, 2, marks=pytest.mark.slow)],
)
@pytest.mark.timeout(1800)
def test_killed_at_random_instants(tmp_path: Path, template: Path, kills: int, seed: int) -> None:
    runs = Runs(tmp_path, seed)
    runs.music.mkdir()
    for number in range(FILES):
        path = runs.music / f"{number:02d}.{('wav', 'flac')[number % 2]}"
        write(path, sound_of(number), f"Song {number}")
    runs.learn()
    runs.stride = max(1, FILES // kills)
    for _ in range(kills):
        if runs.seen and runs.seen[-1] == len(runs.sounds):
            shutil.rmtree(runs.data)
        runs.kill()
    assert any(0 < count < len(runs.sounds) for count in runs.seen), "no kill met a run at work"
    before = runs.committed()
    report, sounds = runs.finish(runs.data)
    assert sounds.isdisjoint(before)
    assert sounds | before == set(runs.sounds.values())
    assert report["failed"] == []
    whole = tmp_path / "whole"
    subprocess.run(["cp", "-R", template, whole], check=True)
    runs.finish(whole)
    assert_same(contents(runs.data), contents(whole))

    # The second act: files retagged, replaced, renamed and deleted.
    for number, path in enumerate(sorted(runs.music.iterdir())):
        if number % 6 == 0:
            write(path, sound_of(number), f"Retagged {number}")
        elif number % 6 == 1:
            write(path, 100 + number, f"Replaced {number}")
        elif number % 6 == 2:
            path.rename(path.with_stem(f"renamed-{number}"))
        elif number % 6 == 3:
            path.unlink()
    runs.learn()
    for _ in range(kills):
        runs.kill(prune=True)
    report, _ = runs.finish(runs.data, prune=True)
    assert report["failed"] == []
    whole = tmp_path / "whole again"
    subprocess.run(["cp", "-R", template, whole], check=True)
    runs.finish(whole)
    assert_same(contents(runs.data), contents(whole))
