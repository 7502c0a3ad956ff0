"""Hostile files, workers that die or hang, and runs that are stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from indexer import Progress, Stage
from retrieval.core.errors import InvalidInputError, StoreError
from tests.indexer.conftest import Place
from tests.indexer.encoders import CountingPerceptual, RawEncoder
from tests.signals import encode, noise, sine, song, stereo

WAV = encode(song(1, 3.0), format="wav")


@pytest.fixture(autouse=True)
def two_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "workers", 2)


def promise(samples: int) -> bytes:
    """A WAV header that promises more than the file holds."""
    size = samples * 4
    data = bytearray(WAV[: 44 + 44_100])
    data[4:8] = struct.pack("<I", min(size + 36, 2**32 - 1))
    data[40:44] = struct.pack("<I", min(size, 2**32 - 1))
    return bytes(data)


def floats(samples: np.ndarray) -> Callable[[Path], None]:
    return lambda path: soundfile.write(path, samples, 44_100, subtype="FLOAT")


def with_nan() -> np.ndarray:
    samples = sine(440, 1.0)
    samples[1000] = np.nan
    return samples


HOSTILE: dict[str, tuple[bytes | Callable[[Path], None], str]] = {
    "empty.mp3": (b"", "AUDIO_EMPTY"),
    "text.mp3": (b"This is a letter and not a song.\n" * 500, "AUDIO_UNSUPPORTED"),
    "page.wav": (b"<html><body>not found</body></html>", "AUDIO_UNSUPPORTED"),
    "riff.wav": (b"RIFF\xff\xff\xff\xffWAVEfmt ", "AUDIO_UNREADABLE"),
    "header.wav": (WAV[:44], "AUDIO_"),
    "flac.flac": (b"fLaC" + b"\xff" * 4_000, "AUDIO_UNREADABLE"),
    "ogg.ogg": (b"OggS" + b"\0" * 4_000, "AUDIO_"),
    "truncated.mp3": (encode(sine(440, 2.0), format="mp3")[:1_000], "AUDIO_"),
    "nan.wav": (floats(with_nan()), "AUDIO_NOT_FINITE"),
    "infinite.wav": (floats(np.full(44_100, np.inf, dtype=np.float32)), "AUDIO_NOT_FINITE"),
    "silence.flac": (encode(np.zeros(100_000, dtype=np.float32), format="flac"), "AUDIO_SILENT"),
    "blip.wav": (encode(sine(440, 0.01), format="wav"), "AUDIO_TOO_SHORT"),
    "billion.wav": (promise(10**9), "AUDIO_"),
    "id3.mp3": (b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"\0" * 1_000, "AUDIO_"),
}


def write_hostile(folder: Path) -> None:
    for name, (content, _) in HOSTILE.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            content(folder / name)


def test_each_hostile_file_is_a_line_and_the_others_are_indexed(place: Place) -> None:
    write_hostile(place.music)
    os.mkfifo(place.music / "pipe.wav")
    (place.music / "wrong extension.mp3").write_bytes(encode(song(2, 1.5), format="flac"))
    (place.music / "eight.wav").write_bytes(encode(np.tile(noise(1.5)[:, None], (1, 8))))
    place.song("good.flac", 3)
    with peak_memory_of_children() as peak:
        report = place.index()
    assert peak[0] < 512 * 2**20
    got = {Path(failure.path).name: failure.reason for failure in report.failed}
    expected = {name: reason for name, (_, reason) in HOSTILE.items()} | {"pipe.wav": "NOT_A_FILE"}
    assert got.keys() == expected.keys()
    for name, reason in expected.items():
        assert got[name].startswith(reason), (name, got[name])
    assert all(failure.message.isprintable() for failure in report.failed)
    assert [f.path for f in report.failed] == sorted(f.path for f in report.failed)
    assert report.indexed == 3
    assert place.track("wrong extension.mp3").payload["format"] == "flac"
    assert place.track("eight.wav").payload["channels"] == 8
    # Nothing of them is kept, and they are tried again.
    again = place.index()
    assert (again.unchanged, len(again.failed)) == (3, len(report.failed))


def test_a_damaged_file_is_indexed_with_a_note(place: Place) -> None:
    (place.music / "cut.wav").write_bytes(WAV[: len(WAV) // 2])
    report = place.index()
    assert report.indexed == 1
    assert [note.reason for note in report.notes] == ["AUDIO_DAMAGED"]


def test_an_hour_of_silence_stays_small(place: Place) -> None:
    with soundfile.SoundFile(place.music / "hour.flac", "w", 8_000, 1) as file:
        for _ in range(60):
            file.write(np.zeros(60 * 8_000, dtype=np.int16))
    with peak_memory_of_children() as peak:
        report = place.index(workers=1)
    assert [failure.reason for failure in report.failed] == ["AUDIO_SILENT"]
    assert 0 < peak[0] < 512 * 2**20


@contextlib.contextmanager
def peak_memory_of_children() -> Iterator[list[int]]:
    """The largest resident size of any child process, in bytes, by sampling."""
    peak, over = [0], threading.Event()
    this = psutil.Process()
    command = this.cmdline()

    def sample() -> None:
        while not over.wait(0.02):
            for child in this.children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    resident = child.memory_info().rss
                    # Between fork and exec a child shows the memory of this process, not its own.
                    if child.cmdline() != command:
                        peak[0] = max(peak[0], resident)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield peak
    finally:
        over.set()
        sampler.join()


def test_too_long_for_the_options(place: Place) -> None:
    place.song("long.flac", 1, seconds=5.0)
    place.song("short.flac", 2, seconds=2.0)
    report = place.index(max_duration=3.0)
    assert [(Path(f.path).name, f.reason) for f in report.failed] == [
        ("long.flac", "AUDIO_TOO_LONG")
    ]
    assert report.indexed == 1


def loud(path: Path) -> Path:
    path.write_bytes(encode(stereo(sine(300, 1.2, level=0.98)), format="flac"))
    return path


def soft(place: Place, count: int) -> None:
    for seed in range(count):
        path = place.music / f"{seed}.flac"
        path.write_bytes(encode(stereo(sine(200 + 10 * seed, 1.2, level=0.3)), format="flac"))


def test_a_worker_that_crashes_fails_its_file_only(place: Place) -> None:
    place.encoders[0] = CountingPerceptual(place.log.path, crash_level=0.9)
    soft(place, 6)
    loud(place.music / "2b.flac")
    loud(place.music / "copy of 2b.flac")
    report = place.index()
    assert [(Path(f.path).name, f.reason) for f in report.failed] == [
        ("2b.flac", "WORKER_CRASHED"),
        ("copy of 2b.flac", "WORKER_CRASHED"),
    ]
    assert report.indexed == 6


def test_a_file_that_needs_too_much_memory_fails_alone(place: Place) -> None:
    place.encoders = [RawEncoder(place.log.path, trouble="memory")]
    soft(place, 2)
    loud(place.music / "2b.flac")
    report = place.index(workers=1)
    assert [(Path(f.path).name, f.reason) for f in report.failed] == [("2b.flac", "OUT_OF_MEMORY")]
    assert report.indexed == 2


def test_a_worker_that_is_killed_fails_its_file_only(place: Place) -> None:
    place.encoders[0] = CountingPerceptual(place.log.path, hang_level=0.9)
    soft(place, 4)
    loud(place.music / "2b.flac")

    def kill() -> None:
        for _ in range(600):
            hanging = [line for line in place.log.lines() if line.startswith("hang")]
            if hanging:
                os.kill(int(hanging[0].split()[1]), signal.SIGKILL)
                return
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    report = place.index()
    killer.join()
    assert [(Path(f.path).name, f.reason) for f in report.failed] == [("2b.flac", "WORKER_CRASHED")]
    assert report.indexed == 4


def test_a_file_that_takes_too_long_fails_alone(place: Place) -> None:
    place.encoders[0] = CountingPerceptual(place.log.path, hang_level=0.9)
    soft(place, 4)
    loud(place.music / "2b.flac")
    report = place.index(file_timeout=3.0)
    assert [(Path(f.path).name, f.reason) for f in report.failed] == [
        ("2b.flac", "AUDIO_DECODE_TIMEOUT")
    ]
    assert report.indexed == 4


class RefusingEncoder(CountingPerceptual):
    """Makes vectors that no library takes of loud sounds."""

    def forward_audio(self, batch: list[np.ndarray]) -> np.ndarray:  # type: ignore[override]
        vectors = super().forward_audio(batch).copy()
        vectors[vectors[:, 5] > 50.0] = np.nan
        return vectors


def test_a_vector_that_cannot_be_stored_fails_its_file_only(place: Place) -> None:
    class Refusing(RefusingEncoder):
        def __reduce__(self) -> tuple[object, ...]:
            return (CountingPerceptual, (place.log.path,))

    place.encoders[0] = Refusing(place.log.path)
    (place.music / "dark.wav").write_bytes(encode(noise(1.5, band=(50, 300))))
    (place.music / "bright.wav").write_bytes(encode(noise(1.5, band=(6_000, 10_000))))
    report = place.index()
    assert [(Path(f.path).name, f.reason) for f in report.failed] == [
        ("bright.wav", "INVALID_VECTOR")
    ]
    assert report.indexed == 1


def test_stopping_keeps_what_is_finished(place: Place) -> None:
    soft(place, 12)
    stop = threading.Event()

    def watch(now: Progress) -> None:
        if now.stage is Stage.INDEX and now.done >= 2:
            stop.set()

    report = place.index(progress=watch, stop=stop, batch=1)
    assert report.interrupted
    assert report.found == 12
    assert 2 <= report.indexed <= 12
    assert len(place.tracks()) == report.indexed
    place.work()
    rest = place.index()
    assert (rest.unchanged, rest.indexed) == (report.indexed, 12 - report.indexed)
    assert place.work() == 12 - report.indexed


def test_stopped_before_it_began(place: Place) -> None:
    soft(place, 1)
    stop = threading.Event()
    stop.set()
    report = place.index(stop=stop, prune=True)
    assert report.interrupted
    assert place.tracks() == []


def test_ctrl_c_in_the_main_thread(place: Place) -> None:
    soft(place, 12)
    before = signal.getsignal(signal.SIGINT)

    def watch(now: Progress) -> None:
        if now.stage is Stage.INDEX and now.done == 1:
            os.kill(os.getpid(), signal.SIGINT)

    report = place.index(progress=watch, batch=1)
    assert report.interrupted
    assert signal.getsignal(signal.SIGINT) is before
    assert place.index().found == 12
    assert len(place.tracks()) == 12


def test_a_library_that_goes_away_ends_the_run(place: Place) -> None:
    soft(place, 3)
    place.index(place.music / "0.flac")

    def gone(records: object) -> None:
        raise StoreError("the library went away")

    place.library.write = gone  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="went away"):
        place.index()
    place.close()
    place.open()
    report = place.index()
    assert (report.unchanged, report.indexed) == (1, 2)


def test_a_second_run_at_the_same_time_is_refused(place: Place) -> None:
    soft(place, 2)
    caught: list[str] = []

    def second(now: Progress) -> None:
        if now.stage is Stage.INDEX and now.done == 1 and not caught:
            with pytest.raises(StoreError) as error:
                place.index()
            caught.append(error.value.reason)

    place.index(progress=second, batch=1)
    assert caught == ["STORE_LOCKED"]


@pytest.mark.parametrize("options", [{"workers": 0}, {"batch": 0}, {"file_timeout": float("nan")}])
def test_options_that_make_no_sense(place: Place, options: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError) as error:
        place.index(**options)
    assert error.value.reason == "INVALID_SETTING"
