"""A clip with other sound: the picture packet by packet as it was, the music where it should be."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from retrieval.audio import Sound
from retrieval.core.errors import AudioError, InvalidInputError, VideoError
from retrieval.core.tracks import Span
from retrieval.video.bed import RATE, lay
from retrieval.video.rendering import check_target, render
from tests.signals import encode
from tests.video.clips import Shot, clip, only_sound, turned, uneven

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


def test_joints_keep_the_level_and_ends_are_faded() -> None:
    tone = (0.4 * np.sin(2 * np.pi * 440 * np.arange(6 * HZ) / HZ)).astype(np.float32)
    for samples in (tone[:, None], np.stack([tone] * 3, axis=1)):
        bed = lay(Sound(samples, HZ, "wav"), (Span(1.0, 3.0), Span(0.5, 3.0), Span(0.5, 1.0)))
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
    bed = lay(Sound(tone, HZ, "wav"), (Span(0.5, 2.5),))
    assert len(bed) == 2 * RATE
    assert np.abs(bed[RATE // 10 : RATE // 4]).min() > 0.2
    assert not bed[RATE:].any()
    with pytest.raises(AudioError, match="ends before"):
        lay(Sound(tone, HZ, "wav"), (Span(5.0, 6.0),))


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
