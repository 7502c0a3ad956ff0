"""``segue score`` and the cut: in-points of described songs, and the clip with one of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from indexer.synth.catalogue import compose
from indexer.synth.rendering import render_piece
from retrieval.cli.score_report import timecode
from retrieval.core.cue import ON_BEAT
from tests.cli.conftest import Segue
from tests.video.clips import Shot, clip, even

SHOTS = [Shot(1.0, seed=1), Shot(1.0, seed=2, pan=0.3), Shot(0.6, seed=3), Shot(1.4, seed=4)]
LASTS = 4.0


@pytest.fixture(scope="module")
def trailer(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("trailer") / "trailer.mp4"
    path.write_bytes(clip(SHOTS, sound=True))
    return path


@pytest.fixture(scope="module")
def songs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for style in ("jig", "techno"):
        piece = compose(style, 1)
        (folder / f"{style}.{piece.format}").write_bytes(render_piece(piece))
    return folder


@pytest.fixture(scope="module")
def ask(songs: Path, tmp_path_factory) -> Segue:
    segue = Segue("--data", tmp_path_factory.mktemp("data"))
    done = segue("index", songs, "--describe", "--workers", 1)
    assert done.code == 0, done.err
    return segue


def test_from_a_clip_to_cues(ask: Segue, trailer: Path) -> None:
    answer = ask.json("score", trailer)
    cuts = answer["video"]["cuts"]
    assert len(cuts) == 3
    for hit in answer["hits"]:
        cue = hit["cue"]
        beats = np.array(ask.json("tracks", "series", hit["track"], "beats")["times"])
        assert len(cue["cut_offsets"]) == 3
        assert cue["cuts_on_beat"] == sum(abs(one) <= ON_BEAT for one in cue["cut_offsets"])
        assert cue["end"] - cue["start"] == pytest.approx(LASTS, abs=0.01)
        sounding = cue["start"] + np.array(cuts)
        nearest = np.abs(sounding[:, None] - beats).min(axis=1)
        assert np.abs(cue["cut_offsets"]).tolist() == pytest.approx(nearest.tolist())


def test_by_distance_alone_and_as_lines(ask: Segue, trailer: Path) -> None:
    hits = ask.json("score", trailer, "--no-fit")["hits"]
    assert [hit["cue"] for hit in hits] == [None, None]
    assert hits[0]["distance"] <= hits[1]["distance"]
    for row in ask("score", trailer).rows:
        assert re.fullmatch(r"0:\d\d\.\d", row[3])
        assert re.fullmatch(r"[0-3] of 3", row[4])


def test_the_clip_with_the_second_hit(ask: Segue, trailer: Path, tmp_path: Path) -> None:
    before = trailer.read_bytes()
    target = tmp_path / "out.mp4"
    answer = ask.json("score", trailer, "--render", target, "--hit", 2)
    assert answer["rendered"] == str(target)
    assert trailer.read_bytes() == before
    packets = []
    for path in (trailer, target):
        with av.open(str(path)) as container:
            shown = container.demux(video=0)
            packets.append([bytes(packet) for packet in shown if packet.dts is not None])
    assert packets[0] == packets[1]
    with av.open(str(target)) as container:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(sound) / 48_000 == pytest.approx(LASTS, abs=0.04)
    # It is that song, from that moment on.
    hit = answer["hits"][1]
    with av.open(hit["paths"][0]) as container:
        resampler = av.AudioResampler("fltp", "mono", 48_000)
        frames = [f for whole in container.decode(audio=0) for f in resampler.resample(whole)]
        song = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    start = round(hit["cue"]["start"] * 48_000)
    span = song[start + 4_800 : start + 2 * 48_000]
    assert np.corrcoef(span, sound[4_800 : 4_800 + len(span)])[0, 1] > 0.8
    again = ask("score", trailer, "--render", target, "--json")
    assert (again.code, again.error["reason"]) == (2, "FILE_EXISTS")


def test_without_cuts_the_music_starts_at_its_start_over_again(ask: Segue, tmp_path: Path) -> None:
    still, target = tmp_path / "still.mp4", tmp_path / "out.mov"
    still.write_bytes(clip([Shot(14.0, seed=1)], size=(64, 36), times=even(2.0, 14.0)))
    hit = ask.json("score", still, "--render", target, "-k", 1)["hits"][0]
    assert hit["cue"] is None
    assert hit["payload"]["duration"] < 13.0
    with av.open(str(target)) as container:
        assert container.duration / av.time_base == pytest.approx(14.0, abs=0.5)
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    assert np.abs(np.concatenate(frames)[13 * 48_000 : 27 * 24_000]).max() > 0.01
    assert ask.json("score", still, "--longer")["hits"] == []


def test_what_cannot_be(ask: Segue, trailer: Path, songs: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    assert ask("score", "--features", '{"narrative_pace": 70}', "--render", target).code == 2
    assert ask("score", "--features", '{"narrative_pace": 70}', "--longer").code == 2
    assert ask("score", trailer, "--render", target, "--hit", 6).code == 2
    done = ask("score", trailer, "--render", trailer, "--force", "--json")
    assert done.code == 2
    assert str(trailer) in done.error["message"]
    assert ask("score", trailer, "--render", target, "--hit", 3, "--json").code == 2
    away = songs.with_name("away")
    shutil.move(songs, away)
    try:
        done = ask("score", trailer, "--render", target, "--json")
        assert done.error["reason"] == "TRACK_NOT_FOUND"
        assert "this machine" in done.error["message"]
    finally:
        shutil.move(away, songs)
    assert not target.exists()


def test_timecodes() -> None:
    told = [timecode(seconds) for seconds in (0.0, 9.96, 62.44, 3725.96, 36_000.0)]
    assert told == ["0:00.0", "0:10.0", "1:02.4", "1:02:06.0", "10:00:00.0"]
