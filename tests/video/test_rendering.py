"""A clip with other sound: the picture packet by packet as it was, the music where it should be."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import pytest
import soxr

from retrieval.audio import Sound
from retrieval.core.errors import AudioError, InvalidInputError, VideoError
from retrieval.core.tracks import Span
from retrieval.video.bed import RATE, lay
from retrieval.video.rendering import check_target, render
from tests.signals import encode
from tests.video.clips import Shot, clip, even, only_sound, turned, uneven

SHOTS = [Shot(0.6, seed=1), Shot(0.8, seed=2, colour=(60, 60, 60))]
LASTS = 1.4
HZ = 44_100


def steps() -> np.ndarray:
    """Ten seconds in which second n is a tone of 200 (n + 1) Hz."""
    time = np.arange(10 * HZ) / HZ
    phase = np.cumsum(200 * (np.floor(time) + 1)) / HZ
    return (0.4 * np.sin(2 * np.pi * phase)).astype(np.float32)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("music") / "steps.flac"
    path.write_bytes(encode(steps()[:, None], HZ, format="flac"))
    return path


def hertz(sound: np.ndarray, second: float) -> float:
    """The tone of the fifth of a second around a moment."""
    part = sound[round((second - 0.1) * RATE) : round((second + 0.1) * RATE)]
    spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 16))
    return float(np.argmax(spectrum) * RATE / (1 << 16))


def picture(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        shown = container.streams.video[0]
        packets = [packet for packet in container.demux(shown) if packet.dts is not None]
        return [(round(float(p.pts * p.time_base), 3), bytes(p)) for p in packets]


def heard(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        assert len(container.streams.audio) == 1, "the clip's own sound is gone"
        assert container.streams.audio[0].rate == RATE
        return np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)])


@pytest.mark.parametrize(
    ("suffix", "how"),
    [
        (".mp4", {"sound": True}),
        (".mov", {"times": uneven(LASTS)}),
        (".webm", {"format": "webm"}),
    ],
)
def test_picture_is_copied_and_music_laid_under_it(
    music: Path, tmp_path: Path, suffix: str, how: dict[str, object]
) -> None:
    source, target = tmp_path / "clip.bin", tmp_path / f"out{suffix}"
    source.write_bytes(clip(SHOTS, **how))  # type: ignore[arg-type]
    before = source.read_bytes(), music.read_bytes()
    render(source, music, (Span(3.0, 4.0), Span(7.0, 7.4)), target)
    assert picture(target) == picture(source)
    sound = heard(target)
    assert len(sound) / RATE == pytest.approx(LASTS, abs=0.04)
    assert hertz(sound, 0.5) == pytest.approx(800, abs=10), "second 3 of the music"
    assert hertz(sound, 1.2) == pytest.approx(1600, abs=10), "second 7"
    assert np.abs(sound).max() > 0.3
    with av.open(str(target)) as container:
        assert container.duration / av.time_base == pytest.approx(LASTS, abs=0.04)
    assert (source.read_bytes(), music.read_bytes()) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.bin", target.name]


def test_a_turned_picture_stays_turned(music: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    source.write_bytes(turned(clip(SHOTS)))
    render(source, music, (Span(0.0, LASTS),), target)
    turns = []
    for path in (source, target):
        with av.open(str(path)) as container:
            turns.append(next(container.decode(video=0)).rotation)
    assert turns[0] == turns[1] != 0


def laid(sound: Sound, plan: Sequence[Span]) -> np.ndarray:
    return np.concatenate(list(lay(lambda: sound, plan)))


def at_once(sound: Sound, plan: Sequence[Span]) -> np.ndarray:
    """The same with all of the track and all of the bed in memory."""
    channels = sound.samples if sound.channels == 2 else np.repeat(sound.samples, 2, axis=1)
    track = soxr.resample(channels, sound.sample_rate, RATE, "HQ")
    ends = np.round(RATE * np.cumsum([0.0, *(span.end - span.start for span in plan)])).astype(int)
    bed, join = np.zeros((ends[-1] + RATE, 2)), RATE // 50

    def ramp(frames: int) -> np.ndarray:
        return np.sin(np.linspace(0.0, np.pi / 2, frames))[:, None]

    for span, place, end in zip(plan, ends[:-1], ends[1:], strict=True):
        start = round(span.start * RATE)
        piece = track[start : start + end - place + join].astype(np.float64)
        if place:
            piece[:join] *= ramp(len(piece[:join]))
        tail = piece[end - place :]
        tail *= ramp(len(tail))[::-1]
        bed[place : place + len(piece)] += piece
    bed = bed[: ends[-1]]
    bed[:join] *= ramp(len(bed[:join]))
    last = min(RATE // 2, len(bed) // 4 + 1)
    bed[-last:] *= ramp(last)[::-1]
    return np.clip(bed, -1.0, 1.0)


PLANS = {
    "one span": [(0.0, 4.0)],
    "beyond the end": [(4.5, 8.2), (7.0, 8.0), (1.0, 2.5)],
    "over again": [(3.0, 5.9), (0.4, 5.9), (0.4, 5.9), (0.4, 1.3)],
    "forwards": [(1.0, 2.0), (2.0, 3.0), (4.25, 5.5)],
    "shorter than joints": [(1.0, 1.005)] * 6 + [(2.0, 3.5)] + [(0.5, 0.5021)] * 4,
    "whole seconds": [(2.0, 4.0), (1.0, 2.0), (1.0, 3.0)],
    "a moment": [(2.0, 2.01)],
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize(("rate", "channels"), [(22_050, 1), (48_000, 2)])
def test_piece_by_piece_is_as_at_once(name: str, rate: int, channels: int) -> None:
    samples = np.random.default_rng(1).normal(0.0, 0.4, (6 * rate, channels))
    plan = [Span(start, end) for start, end in PLANS[name]]
    sound = Sound(samples.astype(np.float32), rate, "wav")
    bed, expected = laid(sound, plan), at_once(sound, plan)
    assert bed.shape == expected.shape
    assert np.abs(bed - expected).max() < 1e-5


def test_a_long_bed_is_never_held() -> None:
    samples = np.zeros((180 * RATE, 2), np.float32)
    samples[::1000] = 0.5
    sound = Sound(samples, RATE, "wav")
    tracemalloc.start()
    try:
        frames = sum(len(block) for block in lay(lambda: sound, (Span(1.0, 170.0), Span(0.0, 9.0))))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert frames == 178 * RATE
    assert peak < 8e6, "not the 68 MB of all of it"


RENDER = """
import re, sys
from pathlib import Path
from retrieval.core.tracks import Span
from retrieval.video.rendering import render
clip, music, target = map(Path, sys.argv[1:4])
render(clip, music, [Span(*map(float, one.split("-"))) for one in sys.argv[4:]], target)
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is on Linux only")
def test_memory_does_not_grow_with_the_span(tmp_path: Path) -> None:
    rate, length = 16_000, 1200
    time = np.arange(length * rate) / rate
    music = tmp_path / "music.flac"
    music.write_bytes(encode(0.3 * np.sin(2 * np.pi * 330 * time), rate, format="flac"))
    peaks = {}
    for seconds in (60, 1200):
        source, target = tmp_path / f"{seconds}.mp4", tmp_path / f"{seconds}-out.mp4"
        shots = [Shot(seconds, seed=1)]
        source.write_bytes(clip(shots, size=(64, 36), times=even(1.0, seconds)))
        spans = [f"10-{seconds / 2 + 10}", f"0-{seconds / 2}"]
        done = subprocess.run(
            [sys.executable, "-c", RENDER, source, music, target, *spans],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks[seconds] = int(done.stdout) / 1024
        with av.open(str(target)) as container:
            assert container.streams.audio[0].duration / RATE == pytest.approx(seconds, abs=0.1)
    # All of it would be 460 MB.
    assert peaks[1200] < peaks[60] + 50.0, peaks


def test_joints_keep_the_level_and_ends_are_faded() -> None:
    tone = (0.4 * np.sin(2 * np.pi * 440 * np.arange(6 * HZ) / HZ)).astype(np.float32)
    for samples in (tone[:, None], np.stack([tone] * 3, axis=1)):
        bed = laid(Sound(samples, HZ, "wav"), (Span(1.0, 3.0), Span(0.5, 3.0), Span(0.5, 1.0)))
        assert bed.shape == (5 * RATE, 2)
        assert np.array_equal(bed[:, 0], bed[:, 1])
        assert np.abs(bed[:20]).max() < 0.1
        assert np.abs(bed[-20:]).max() < 0.1
        middle = bed[RATE // 10 : -RATE, 0]
        levels = np.sqrt(
            np.square(middle[: len(middle) // 480 * 480].reshape(-1, 480)).mean(axis=1)
        )
        assert levels.max() < 0.43, "two crossing are no louder than each may be"
        assert levels.min() > 0.1
        assert np.abs(bed).max() <= 1.0


def test_music_that_ends_early_is_followed_by_silence() -> None:
    tone = np.full((HZ, 1), 0.3, np.float32)
    bed = laid(Sound(tone, HZ, "wav"), (Span(0.5, 2.5),))
    assert len(bed) == 2 * RATE
    assert np.abs(bed[RATE // 10 : RATE // 4]).min() > 0.2
    assert not bed[RATE:].any()
    with pytest.raises(AudioError, match="ends before"):
        laid(Sound(tone, HZ, "wav"), (Span(5.0, 6.0),))


def test_what_must_not_be_written_is_refused(music: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    source.write_bytes(clip(SHOTS))
    plan = (Span(0.0, LASTS),)
    for place, force, reason in (
        (source, True, "INVALID_REQUEST"),
        (tmp_path / "out.avi", False, "INVALID_REQUEST"),
        (tmp_path / "no" / "out.mp4", False, "INVALID_REQUEST"),
    ):
        with pytest.raises(InvalidInputError) as caught:
            check_target(place, source, force=force)
        assert caught.value.reason == reason
    target.write_bytes(b"kept")
    with pytest.raises(InvalidInputError, match="--force") as caught:
        render(source, music, plan, target)
    assert caught.value.reason == "FILE_EXISTS"
    assert target.read_bytes() == b"kept"
    render(source, music, plan, target, force=True)
    assert picture(target) == picture(source)
    # Not even with force over the music.
    linked = tmp_path / "music.mp4"
    linked.symlink_to(music)
    with pytest.raises(InvalidInputError, match="read"):
        render(source, music, plan, linked, force=True)


def test_what_cannot_be_rendered_leaves_nothing_behind(music: Path, tmp_path: Path) -> None:
    kept = tmp_path / "out.webm"
    kept.write_bytes(b"kept")
    plan = (Span(0.0, LASTS),)
    for name, data, reason in (
        ("h264.mp4", clip(SHOTS), "VIDEO_UNSUPPORTED"),
        ("sound.mp4", only_sound(), "VIDEO_NO_PICTURE"),
        ("text.mp4", b"no video", "VIDEO_UNREADABLE"),
        ("cut.mp4", clip(SHOTS)[:300], "VIDEO_UNREADABLE"),
    ):
        source = tmp_path / name
        source.write_bytes(data)
        with pytest.raises(VideoError) as caught:
            render(source, music, plan, kept, force=True)
        assert caught.value.reason == reason, name
        assert str(source) in caught.value.message
    with pytest.raises(AudioError):
        render(source, tmp_path / "gone.flac", plan, kept, force=True)
    assert kept.read_bytes() == b"kept"
    assert len(list(tmp_path.glob(".*"))) == 0
