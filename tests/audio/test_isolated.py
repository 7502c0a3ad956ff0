"""Decoding in children: same answers, and no way to hurt or outlive the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from retrieval.audio import IsolatedDecoder, Limits, Sound, SoundDigest, open_audio
from retrieval.audio.children import MIB
from retrieval.core.errors import AudioError, InternalError
from tests import signals
from tests.audio.test_hostile import with_flac_length


@pytest.fixture(scope="module")
def decoder() -> Iterator[IsolatedDecoder]:
    with IsolatedDecoder(children=2, timeout=20.0) as decoder:
        yield decoder


def children() -> set[int]:
    return {
        child.pid
        for child in psutil.Process().children()
        if child.is_running() and "retrieval.audio.child" in " ".join(child.cmdline())
    }


def wait_until_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + 10.0
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < deadline, "a decoder child outlived its parent"
        time.sleep(0.05)


@pytest.mark.parametrize("format", signals.FORMATS)
def test_same_sound_as_in_process(decoder: IsolatedDecoder, format: str) -> None:
    data = signals.encode(signals.song(3, 4.0), format=format)
    with open_audio(data) as reader:
        expected = np.concatenate(list(reader.blocks()))
        sound = decoder.decode(data)
        assert np.array_equal(sound.samples, expected)
        assert (sound.sample_rate, sound.channels) == (reader.sample_rate, reader.channels)
        assert (sound.format, sound.truncated) == (reader.format, reader.truncated)


def test_sound_reads_like_a_file(decoder: IsolatedDecoder) -> None:
    data = signals.encode(signals.song(3, 4.0), format="flac")
    digests = []
    for source in (open_audio(data), decoder.decode(data)):
        with source as reader:
            digest = SoundDigest(reader.sample_rate, reader.channels)
            for block in reader.blocks():
                digest.update(block)
        digests.append(digest.track_id())
    assert digests[0] == digests[1]


def test_errors_come_through(decoder: IsolatedDecoder) -> None:
    cases = {
        b"": "AUDIO_EMPTY",
        b"words " * 50: "AUDIO_UNSUPPORTED",
        signals.encode(signals.sine(440.0, 0.01)): "AUDIO_TOO_SHORT",
        signals.encode(signals.sine(440.0, 9.0)): "AUDIO_TOO_LONG",
    }
    decoder.decode(signals.encode(signals.sine(440.0, 0.3)))
    before = children()
    for data, reason in cases.items():
        with pytest.raises(AudioError, match="upload") as caught:
            decoder.decode(data, Limits(max_duration=8.0), name="upload")
        assert caught.value.reason == reason
    # An error is an answer: the child goes on.
    assert children() == before


def test_truncated_file_is_flagged(decoder: IsolatedDecoder) -> None:
    flac = signals.encode(signals.song(1, 4.0), format="flac")
    assert decoder.decode(flac[: len(flac) * 3 // 4]).truncated


def test_sound_too_large_to_hold() -> None:
    with IsolatedDecoder(children=1, max_samples=44_100) as small:
        with pytest.raises(AudioError) as caught:
            small.decode(signals.encode(signals.sine(440.0, 3.0), format="flac"))
        assert caught.value.reason == "AUDIO_TOO_LARGE"
        assert small.decode(signals.encode(signals.sine(440.0, 0.9))).duration == pytest.approx(0.9)


def test_a_killed_child_is_replaced(decoder: IsolatedDecoder) -> None:
    data = signals.encode(signals.sine(440.0, 0.5))
    decoder.decode(data)
    for pid in children():
        os.kill(pid, signal.SIGKILL)
    assert isinstance(decoder.decode(data), Sound)


def test_a_file_whose_child_died_gets_another_chance() -> None:
    data = signals.encode(signals.sine(440.0, 0.5))
    before = children()
    with IsolatedDecoder(children=1) as decoder:
        decoder.decode(data)
        (pid,) = children() - before
        os.kill(pid, signal.SIGSTOP)
        killer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
        killer.start()
        assert decoder.decode(data).duration == pytest.approx(0.5)
        killer.join()


def test_a_file_that_kills_every_child_is_an_error() -> None:
    data = signals.encode(np.tile(signals.song(1, 10.0), (20, 1)), format="flac")
    before, done = children(), threading.Event()

    def kill_all() -> None:
        while not done.wait(0.02):
            for pid in children() - before:
                os.kill(pid, signal.SIGKILL)

    with IsolatedDecoder(children=1) as decoder:
        killer = threading.Thread(target=kill_all)
        killer.start()
        try:
            with pytest.raises(AudioError, match="song") as caught:
                decoder.decode(data, name="song")
        finally:
            done.set()
            killer.join()
        assert caught.value.reason == "AUDIO_UNREADABLE"
        small = signals.encode(signals.sine(440.0, 0.5))
        assert decoder.decode(small).duration == pytest.approx(0.5)


def test_a_child_that_stalls_is_killed_in_time() -> None:
    data = signals.encode(signals.sine(440.0, 0.5))
    before = children()
    with IsolatedDecoder(children=1, timeout=1.5) as decoder:
        decoder.decode(data)
        (pid,) = children() - before
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(AudioError) as caught:
            decoder.decode(data)
        assert caught.value.reason == "AUDIO_DECODE_TIMEOUT"
        assert not psutil.pid_exists(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="address space has a limit on Linux only")
def test_memory_of_a_child_is_bounded() -> None:
    with IsolatedDecoder(children=1, memory=700 * MIB) as decoder:
        # Twice this, and the decoder libraries, do not fit.
        with pytest.raises(AudioError) as caught:
            decoder.decode(b"RIFF\xff\xff\xff\xffWAVE" + bytes(350 * MIB))
        assert caught.value.reason in {"AUDIO_UNREADABLE", "AUDIO_TOO_LARGE"}
        assert decoder.decode(signals.encode(signals.sine(440.0, 0.5))).channels == 1


def test_a_bomb_is_refused_without_its_memory(decoder: IsolatedDecoder) -> None:
    bomb = with_flac_length(signals.encode(np.zeros((600_000, 2), np.int16), format="flac"), 10**9)
    with pytest.raises(AudioError) as caught:
        decoder.decode(bomb)
    assert caught.value.reason == "AUDIO_TOO_LONG"


def test_many_threads_share_few_children() -> None:
    data = [signals.encode(signals.sine(200.0 + 50 * i, 0.3), format="flac") for i in range(24)]
    before = children()
    with IsolatedDecoder(children=2) as decoder, ThreadPoolExecutor(8) as pool:
        sounds = list(pool.map(decoder.decode, data))
        assert len(children() - before) <= 2
    for index, sound in enumerate(sounds):
        spectrum = np.abs(np.fft.rfft(sound.samples[:, 0]))
        assert np.argmax(spectrum) / 0.3 == pytest.approx(200.0 + 50 * index, abs=4.0)


def test_no_child_is_left_behind() -> None:
    before = children()
    decoder = IsolatedDecoder(children=2)
    decoder.start()
    decoder.decode(signals.encode(signals.sine(440.0, 0.3)))
    mine = children() - before
    assert mine
    decoder.close()
    decoder.close()
    wait_until_gone(mine)
    with pytest.raises(InternalError):
        decoder.decode(b"")


def test_children_end_with_a_killed_parent() -> None:
    script = (
        "import os, sys, signal\n"
        "from retrieval.audio import IsolatedDecoder\n"
        "decoder = IsolatedDecoder()\n"
        "decoder.start()\n"
        "import psutil\n"
        "print(psutil.Process().children()[0].pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    wait_until_gone({int(result.stdout)})


def test_a_child_sees_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGUE_TOKEN", "do not tell")
    before = children()
    with IsolatedDecoder(children=1) as decoder:
        decoder.decode(signals.encode(signals.sine(440.0, 0.3)))
        (pid,) = children() - before
        environment = psutil.Process(pid).environ()
        assert "PATH" in environment
        assert "SEGUE_TOKEN" not in environment
