"""Sounds of hours: bounded memory, turns with other files, a stop or a kill in their middle."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

import numpy as np
import psutil
import soundfile

from indexer import Progress, Stage
from retrieval.core.tracks import TrackRecord
from tests.indexer.conftest import Place
from tests.indexer.encoders import RawEncoder

RATE = 8_000
MIB = 2**20


def write_long(path: Path, seconds: int, *, seed: int = 0) -> None:
    """A sound that is never the same for two seconds, written in pieces."""
    rng = np.random.default_rng(seed)
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for start in range(0, seconds, 60):
            t = np.arange(start * RATE, min(start + 60, seconds) * RATE) / RATE
            tone = np.sin(2 * np.pi * rng.uniform(80, 3_000) * t) * (1.2 + np.sin(t / 7))
            file.write((0.3 * tone).astype(np.float32))


def raw(place: Place, **options: object) -> RawEncoder:
    encoder = RawEncoder(place.log.path, **options)  # type: ignore[arg-type]
    place.encoders = [place.encoders[1], encoder]
    return encoder


def spools_in(data: Path) -> list[Path]:
    return list((data / "manifests").glob("*.spool-*"))


def spools(place: Place) -> list[Path]:
    return spools_in(place.data)


class PeakMemory:
    """A context that samples memory.

    Attributes:
        grown: Bytes by which this process grew, at most.
        child: Bytes that any child of it held, at most.
    """

    def __init__(self) -> None:
        self.grown = self.child = 0
        self._this, self._over = psutil.Process(), threading.Event()
        self._sampler = threading.Thread(target=self._sample)

    def __enter__(self) -> Self:
        self._before, self._command = self._this.memory_info().rss, self._this.cmdline()
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._sampler.join()

    def _sample(self) -> None:
        while not self._over.wait(0.02):
            self.grown = max(self.grown, self._this.memory_info().rss - self._before)
            for child in self._this.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    resident = child.memory_info().rss
                    # Between fork and exec a child shows the memory of this process, not its own.
                    if child.cmdline() != self._command:
                        self.child = max(self.child, resident)


def assert_identical(left: list[TrackRecord], right: list[TrackRecord], space: str) -> None:
    assert [record.id for record in left] == [record.id for record in right]
    for one, two in zip(left, right, strict=True):
        assert np.array_equal(one.vectors[space], two.vectors[space])
        assert [s.span for s in one.segments] == [s.span for s in two.segments]
        for segment, other in zip(one.segments, two.segments, strict=True):
            assert np.array_equal(segment.vectors[space], other.vectors[space])


def test_an_hour_needs_no_more_memory_than_a_song(place: Place) -> None:
    raw(place)
    write_long(place.music / "song.flac", 240)
    place.index(workers=1, spool_from=4 * MIB)
    (place.music / "song.flac").unlink()
    write_long(place.music / "hour.flac", 3_600)
    # 115 MB of prepared sound.
    with PeakMemory() as peak:
        report = place.index(workers=1, spool_from=4 * MIB, step=120.0, prune=True)
    assert (report.indexed, report.failed) == (1, ())
    assert peak.grown < 64 * MIB
    assert 0 < peak.child < 220 * MIB
    assert spools(place) == []
    assert report.audio_seconds == 3_600
    (record,) = place.records()
    assert len(record.segments) == 1_800


def test_where_the_sound_waits_does_not_show(place: Place, tmp_path: Path, template: Path) -> None:
    other = Place(tmp_path / "other", template)
    for one in (place, other):
        raw(one)
        write_long(one.music / "a.flac", 61)
        write_long(one.music / "b.flac", 7, seed=1)
    place.index(spool_from=0, step=5.0)
    other.index()
    assert_identical(place.records(), other.records(), "raw")
    other.close()


def test_a_full_disk_fails_the_long_file_only(place: Place) -> None:
    raw(place, disk=MIB)
    write_long(place.music / "long.flac", 120)
    write_long(place.music / "short.flac", 4, seed=1)
    report = place.index(spool_from=MIB // 2)
    (failure,) = report.failed
    assert (Path(failure.path).name, failure.reason) == ("long.flac", "DISK_FULL")
    assert "free some space" in failure.message
    assert report.indexed == 1
    assert spools(place) == []


def test_long_files_may_take_longer(place: Place) -> None:
    raw(place, trouble="slow")
    write_long(place.music / "long.flac", 40)
    assert place.index(file_timeout=3.0).indexed == 1


def test_short_files_overtake_a_long_one(place: Place) -> None:
    raw(place, pause=0.005)
    write_long(place.music / "0 long.flac", 1_200)
    for number in range(1, 5):
        write_long(place.music / f"{number}.flac", 6, seed=number)
    told: list[Progress] = []
    report = place.index(workers=1, step=20.0, spool_from=MIB, batch=1, progress=told.append)
    assert report.indexed == 5
    settled = [Path(now.path).name for now in told if now.path]
    assert settled[-1] == "0 long.flac"
    # Work on a long file shows before it is done.
    early = [now.bytes_done for now in told if now.stage is Stage.INDEX and not now.done]
    assert any(done > 0 for done in early)


def test_a_stop_is_answered_in_the_middle_of_a_long_file(place: Place) -> None:
    encoder = raw(place, pause=0.001)
    write_long(place.music / "long.flac", 2_000)
    stop = threading.Event()
    heard: list[int] = []

    def forwarded() -> int:
        lines = (line.split() for line in encoder.log.lines())
        return sum(int(line[2]) for line in lines if line[0] == "forward")

    def watch(now: Progress) -> None:
        if now.bytes_done and not stop.is_set():
            heard.append(forwarded())
            stop.set()

    report = place.index(workers=1, step=20.0, spool_from=MIB, progress=watch, stop=stop)
    assert report.interrupted
    assert report.failed == ()
    # Ten windows in a step: the one at work, and one that had just begun.
    assert forwarded() <= heard[0] + 20
    assert spools(place) == []
    assert place.index(spool_from=MIB).indexed == 1


def test_a_kill_in_the_middle_of_a_long_file(place: Place) -> None:
    place.encoders = [RawEncoder(place.log.path)]
    place.close()
    write_long(place.music / "1 short.flac", 20)
    write_long(place.music / "2 long.flac", 1_500, seed=1)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.indexer.long_run", place.data, place.music, place.log.path],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    size = (place.music / "1 short.flac").stat().st_size
    while True:
        stage, done, read = process.stdout.readline().split()
        if stage == "index" and int(done) == 1 and int(read) > size:
            break
    process.kill()
    process.communicate(timeout=60)
    (left,) = spools(place)
    assert left.stat().st_mode & 0o777 == 0o700
    (left / "7").write_bytes(b"of the killed run")
    place.open()
    report = place.index(spool_from=100_000)
    assert (report.unchanged, report.indexed, report.failed) == (1, 1, ())
    assert spools(place) == []
