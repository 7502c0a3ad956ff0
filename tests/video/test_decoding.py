"""Bytes to small upright frames, or a clear error, and no harm on the way."""

from __future__ import annotations

import os
import random
import signal
import struct
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from retrieval.audio import open_audio
from retrieval.audio.children import MIB
from retrieval.core.errors import InternalError, VideoError
from retrieval.video.clips import Clip, ClipDecoder
from retrieval.video.frames import Frame
from retrieval.video.limits import Sampling, VideoLimits
from tests.video.clips import (
    Shot,
    claiming,
    clip,
    cuts_of,
    old_quicktime,
    one_frame,
    only_sound,
    turned,
    uneven,
)

SHOTS = (Shot(1.2, colour=(128, 128, 128), seed=1), Shot(0.8, colour=(60, 60, 60), seed=2))
FINE = Sampling(rate=30.0, short_side=90)
PLAYLIST = b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
STREAMED = {"movflags": "frag_keyframe+empty_moov"}
INDEX_FIRST = {"movflags": "faststart"}


@pytest.fixture(scope="module")
def plain() -> bytes:
    return clip(SHOTS)


def read(
    decoder: ClipDecoder,
    source: bytes | Path,
    sampling: Sampling = FINE,
    limits: VideoLimits | None = None,
) -> tuple[Clip, list[Frame]]:
    with decoder.open(source, sampling, limits or VideoLimits(), name="trailer") as opened:
        return opened, list(opened.frames())


def reason_of(decoder: ClipDecoder, data: bytes, limits: VideoLimits | None = None) -> str:
    with pytest.raises(VideoError, match="trailer") as caught:
        read(decoder, data, limits=limits)
    return caught.value.reason


def children() -> set[int]:
    return {
        child.pid
        for child in psutil.Process().children()
        if child.is_running() and "retrieval.video.child" in " ".join(child.cmdline())
    }


@pytest.mark.parametrize("format", ["mp4", "mov", "webm"])
@pytest.mark.parametrize("sound", [False, True])
def test_frames_come_small_and_on_time(decoder: ClipDecoder, format: str, sound: bool) -> None:
    if format == "webm" and sound:
        pytest.skip("AAC does not go into WebM")
    opened, frames = read(decoder, clip(SHOTS, format=format, sound=sound))
    assert (opened.width, opened.height, opened.partial) == (320, 180, False)
    assert opened.duration == pytest.approx(2.0, abs=0.01)
    assert [frame.time for frame in frames] == pytest.approx(np.arange(50) / 25, abs=1e-3)
    assert {frame.pixels.shape for frame in frames} == {(90, 160, 3)}
    means = [frame.pixels.mean() for frame in frames]
    assert means[:30] == pytest.approx([128] * 30, abs=5)
    assert means[30:] == pytest.approx([60] * 20, abs=5)


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_times_are_those_of_presentation(decoder: ClipDecoder, format: str) -> None:
    times = uneven(2.0)
    _, frames = read(
        decoder, clip(SHOTS, format=format, times=times), Sampling(rate=1000.0, short_side=90)
    )
    assert [frame.time for frame in frames] == pytest.approx(times, abs=2e-3)
    first = next(frame.time for frame in frames if frame.pixels.mean() < 90)
    assert first == pytest.approx(cuts_of(SHOTS, times)[0], abs=2e-3)


def box(kind: bytes, size: int) -> bytes:
    return struct.pack(">I", size) + kind + bytes(size - 8)


@pytest.mark.parametrize(
    ("options", "before"),
    [
        ({}, b""),
        (INDEX_FIRST, b""),
        ({}, box(b"wide", 8) + box(b"free", 100_000)),
        (INDEX_FIRST, box(b"pnot", 20) + box(b"PICT", 5000)),
    ],
    ids=["wide-mdat-moov", "moov", "padded", "preview"],
)
def test_quicktime_from_before_ftyp_has_picture_and_sound(
    decoder: ClipDecoder, options: dict[str, str], before: bytes
) -> None:
    data = clip(SHOTS, format="mov", sound=True, options=options)
    old = old_quicktime(data, before)
    assert b"ftyp" not in old[:200_000]
    assert len(read(decoder, old)[1]) == 50
    with open_audio(old) as aged, open_audio(data) as new:
        heard, expected = (np.concatenate(list(one.blocks())) for one in (aged, new))
    assert np.array_equal(heard, expected)
    assert (aged.format, aged.truncated) == ("m4a", False)
    assert np.abs(heard).max() > 0.1


def test_fewer_frames_on_request(decoder: ClipDecoder, plain: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trailer.bin"
    path.write_bytes(plain)
    _, frames = read(decoder, path, Sampling(rate=1.0, short_side=336))
    assert [frame.time for frame in frames] == pytest.approx([0.0, 1.0])
    assert frames[0].pixels.shape == (180, 320, 3), "never enlarged"


def test_a_phone_held_upright(decoder: ClipDecoder, plain: bytes) -> None:
    _, upright = read(decoder, plain)
    _, rotated = read(decoder, turned(plain))
    expected = np.rot90(upright[0].pixels, k=-1)
    assert rotated[0].pixels.shape == (160, 90, 3)
    assert np.abs(rotated[0].pixels.astype(float) - expected).mean() < 2.0


@pytest.mark.parametrize("format", ["mp4", "webm"])
@pytest.mark.parametrize("options", [INDEX_FIRST, STREAMED])
def test_what_is_cut_off_is_partial(
    decoder: ClipDecoder, format: str, options: dict[str, str]
) -> None:
    data = clip(SHOTS, format=format, options=options if format == "mp4" else None)
    opened, frames = read(decoder, data[: len(data) * 6 // 10])
    assert opened.partial
    assert 10 < len(frames) < 45
    assert opened.duration < 1.8


def test_a_missing_index_is_named(decoder: ClipDecoder, plain: bytes) -> None:
    with pytest.raises(VideoError, match="cut off before its index"):
        read(decoder, plain[: len(plain) * 6 // 10])


def test_damage_is_stepped_over(decoder: ClipDecoder) -> None:
    data = bytearray(clip(SHOTS, options=INDEX_FIRST))
    rng = random.Random(1)
    for _ in range(60):
        data[rng.randrange(data.index(b"mdat") + 2000, len(data))] = rng.randrange(256)
    opened, frames = read(decoder, bytes(data))
    assert opened.partial
    assert len(frames) > 20


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_random_damage_ends_in_frames_or_a_clear_error(decoder: ClipDecoder, format: str) -> None:
    whole = clip((Shot(0.4, seed=1),), size=(160, 90), format=format)
    for seed in range(12):
        rng = random.Random(seed)
        data = bytearray(whole)
        end = rng.choice([2000, len(data)])
        for _ in range(rng.choice([1, 8, 80])):
            data[rng.randrange(min(end, len(data)))] = rng.randrange(256)
        try:
            opened, frames = read(decoder, bytes(data[: rng.randrange(len(data) // 2, len(data))]))
        except VideoError as error:
            assert error.reason.startswith("VIDEO_"), seed
            assert "trailer" in error.message
        else:
            times = [frame.time for frame in frames]
            assert times == sorted(set(times)), seed
            assert 0.0 < opened.duration < 60.0


def test_files_that_are_no_videos(decoder: ClipDecoder, plain: bytes) -> None:
    before = children()
    assert reason_of(decoder, b"") == "VIDEO_EMPTY"
    assert reason_of(decoder, PLAYLIST) == "VIDEO_UNSUPPORTED"
    disguised = b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + PLAYLIST
    assert reason_of(decoder, disguised) == "VIDEO_UNREADABLE"
    assert reason_of(decoder, only_sound()) == "VIDEO_NO_PICTURE"
    assert reason_of(decoder, plain[:200]) == "VIDEO_UNREADABLE"
    # An error is an answer: the child goes on.
    assert before <= children()


def test_what_is_no_file(decoder: ClipDecoder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none.mp4"):
        with pytest.raises(VideoError, match=path.name), decoder.open(path, FINE):
            pass


def test_limits(decoder: ClipDecoder, plain: bytes) -> None:
    for limits, reason in (
        (VideoLimits(max_duration=1.5), "VIDEO_TOO_LONG"),
        (VideoLimits(max_frames=20), "VIDEO_TOO_LONG"),
        (VideoLimits(max_pixels=200 * 100), "VIDEO_TOO_LARGE"),
        (VideoLimits(max_bytes=1000), "VIDEO_TOO_LARGE"),
    ):
        assert reason_of(decoder, plain, limits) == reason
    streamed = clip(SHOTS, options=STREAMED)
    assert reason_of(decoder, streamed, VideoLimits(max_duration=1.5)) == "VIDEO_TOO_LONG"


@pytest.mark.parametrize("side", [(7680, 4320), (65_535, 65_535)])
def test_a_header_that_claims_8k(decoder: ClipDecoder, plain: bytes, side: tuple[int, int]) -> None:
    # The picture inside is what counts; the claim costs nothing.
    opened, frames = read(decoder, claiming(plain, *side))
    assert (opened.width, opened.height, len(frames)) == (320, 180, 50)


def test_a_true_8k_picture_is_within_bounds(decoder: ClipDecoder) -> None:
    data = one_frame(7680, 4320)
    opened, frames = read(decoder, data)
    assert frames[0].pixels.max() < 4
    assert (opened.width, opened.height, frames[0].pixels.shape) == (7680, 4320, (90, 160, 3))
    assert reason_of(decoder, data, VideoLimits(max_pixels=4096 * 2304)) == "VIDEO_TOO_LARGE"


def test_a_child_that_stalls_is_killed_in_time(plain: bytes) -> None:
    before = children()
    with ClipDecoder(timeout=3.0) as decoder:
        read(decoder, plain)
        (pid,) = children() - before
        os.kill(pid, signal.SIGSTOP)
        assert reason_of(decoder, plain) == "VIDEO_DECODE_TIMEOUT"
        assert not psutil.pid_exists(pid)


def test_a_killed_child_is_replaced(decoder: ClipDecoder, plain: bytes) -> None:
    read(decoder, plain)
    for pid in children():
        os.kill(pid, signal.SIGKILL)
    assert len(read(decoder, plain)[1]) == 50


def test_a_crash_half_way_is_an_error(plain: bytes) -> None:
    with ClipDecoder() as decoder, pytest.raises(VideoError, match="broke down"):
        before = children()
        with decoder.open(plain, Sampling(rate=30.0, short_side=180)) as opened:
            frames = opened.frames()
            next(frames)
            (pid,) = children() - before
            os.kill(pid, signal.SIGKILL)
            list(frames)


@pytest.mark.skipif(sys.platform != "linux", reason="address space has a limit on Linux only")
def test_memory_of_a_child_is_bounded(plain: bytes) -> None:
    with ClipDecoder(memory=350 * MIB) as decoder:
        data = one_frame(7680, 4320)
        assert reason_of(decoder, data) in {"VIDEO_UNREADABLE", "VIDEO_TOO_LARGE"}
        assert len(read(decoder, plain)[1]) == 50


def test_who_leaves_early_leaves_no_child_behind(plain: bytes) -> None:
    before = children()
    decoder = ClipDecoder()
    with decoder.open(plain, FINE) as opened:
        next(opened.frames())
    assert children() == before
    decoder.close()
    with pytest.raises(InternalError), decoder.open(plain, FINE):
        pass
