"""In-points: beats that meet the cuts, loudness that follows the motion, and music that lasts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.core.series import Series
from retrieval.core.video import VIDEO_DIMS, Source, VideoFeatures, VideoSeries
from retrieval.search.course import MAX_CUTS, Music, Picture
from retrieval.search.cue import ACCENTS, BORDERS, MOTION, fit, offsets
from tests.search.cutting import distances, music


@pytest.mark.parametrize(("drift", "stray"), [(0.0, 0), (0.05, 0), (0.0, 4), (0.05, 4)])
def test_cuts_are_half_as_far_from_the_beats_as_from_random_in_points(
    drift: float, stray: int
) -> None:
    ours, random = distances(40, drift=drift, stray=stray)
    assert np.mean(ours) <= 0.5 * np.mean(random)
    # Not only in the mean: nine times out of ten.
    assert np.mean(ours <= 0.7 * random) >= 0.9


@given(
    st.integers(0, 2**32),
    st.floats(10, 200),
    st.floats(2, 400),
    st.sampled_from([0, 1, 7, 40]),
    st.booleans(),
)
def test_what_holds_of_every_cue(
    seed: int, lasts: float, seconds: float, more: int, clear: bool
) -> None:
    rng = np.random.default_rng(seed)
    track = music(rng, lasts)
    if not clear:
        track = replace(track, downbeats=np.empty(0), loudness=np.empty(0))
    cuts = np.unique(rng.uniform(0.01, seconds - 0.01, more + 1))
    clip = Picture(seconds, cuts, rng.uniform(0, 1, int(np.ceil(seconds))))
    cue = fit(clip, track)
    assert len(cue.offsets) == len(cuts)
    assert cue.looped or cue.start + seconds <= track.duration + 1e-6
    assert sum(span.end - span.start for span in cue.plan) == pytest.approx(seconds)
    assert all(span.end <= track.duration + 1e-6 for span in cue.plan)
    assert (cue.plan[0].start, cue.plan[-1].end) == (cue.start, cue.end)
    assert cue.meets == 0.0 or np.isclose(cuts[:4], cue.meets).any()
    if lasts >= seconds:
        assert not cue.looped
        assert cue.anchor - cue.meets == pytest.approx(cue.start)
        # Between two beats nothing is further from both than half of the way.
        sounding = cue.start + cuts
        inside = (sounding >= track.beats[0]) & (sounding <= track.beats[-1])
        bound = np.diff(track.beats).max() / 2 + 1e-9
        assert np.all(np.abs(cue.offsets)[inside] <= bound)
        assert np.allclose(cue.offsets, offsets(sounding, track.beats))
    parts = ACCENTS * cue.accents + MOTION * cue.motion + BORDERS * cue.borders
    assert cue.score == pytest.approx(parts)
    assert cue.accents <= 1.0
    assert -1.0 - 1e-9 <= cue.motion <= 1.0 + 1e-9
    assert 0.0 <= cue.borders <= 1.0
    assert 0.96 <= cue.stretch <= 1.04


def test_a_downbeat_falls_on_the_first_frame_or_a_cut() -> None:
    track = music(np.random.default_rng(1), bpm=120)
    still = np.zeros(20)
    cue = fit(Picture(20.0, np.array([2.0, 4.0, 9.0]), still), track)
    assert (cue.meets, cue.on_beat) == (0.0, 3)
    assert np.isclose(track.downbeats, cue.start).any()
    # Half a beat later no downbeat at the first frame serves.
    cue = fit(Picture(20.0, np.array([2.25, 4.25, 9.25]), still), track)
    assert cue.meets > 0.0
    assert cue.on_beat == 3
    assert np.isclose(track.downbeats, cue.anchor).any()


def test_loud_passages_go_under_much_motion() -> None:
    rng = np.random.default_rng(2)
    track = music(rng, bpm=120)
    loudness = np.full(2400, -30.0)
    loudness[1500:1600] = -8.0
    motion = np.zeros(40)
    motion[20:30] = 0.5
    cuts = np.arange(2.0, 39.0, 2.0)
    cue = fit(Picture(40.0, cuts, motion), replace(track, loudness=loudness))
    assert cue.start == pytest.approx(130.0, abs=2.0)
    assert cue.motion > 0.8


def test_short_music_is_repeated_from_bar_to_bar_on_the_beat() -> None:
    track = music(np.random.default_rng(3), 30.0, bpm=120)
    clip = Picture(100.0, np.arange(2.0, 99.0, 2.0), np.zeros(100))
    cue = fit(clip, track)
    assert len(cue.plan) >= 4
    for one, after in zip(cue.plan[:-1], cue.plan[1:], strict=True):
        assert one.end == pytest.approx(track.downbeats[-1])
        assert after.start == pytest.approx(track.downbeats[0])
    assert cue.on_beat == len(clip.cuts), "the beat goes on over the joints"


def test_a_tempo_that_would_fit_better_is_suggested_and_not_assumed() -> None:
    track = music(np.random.default_rng(4), bpm=120)
    cuts = np.arange(2.0, 58.0, 2.0) / 1.03
    cue = fit(Picture(60.0, cuts, np.zeros(60)), track)
    assert cue.stretch == pytest.approx(1.03, abs=0.006)
    assert np.allclose(cue.offsets, offsets(cue.start + cuts, track.beats))
    assert fit(Picture(60.0, 1.03 * cuts, np.zeros(60)), track).stretch == 1.0


def series(**changes: object) -> list[Series]:
    times = np.arange(1.0, 30.0, 0.5)
    beats = Series("beats", np.zeros(len(times), np.uint8), times=times)
    downbeats = Series("downbeats", np.ones(14, np.uint8), times=times[1:57:4])
    borders = np.array([0.0, 13.7])
    sections = Series("sections", np.ones(2), times=borders, ends=np.array([13.7, 30.5]))
    loudness = Series("loudness", np.full(304, -20.0, np.float32), rate=10.0)
    made = {one.name: one for one in (beats, downbeats, sections, loudness)}
    return [one for one in {**made, **changes}.values() if one is not None]  # type: ignore[misc]


def test_music_is_what_its_series_say() -> None:
    track = Music.of(series())
    assert track is not None
    assert track.duration == 30.5
    # Borders are known to half a second, bars exactly.
    assert track.borders.tolist() == [0.0, 13.5, 30.5]
    bare = Music.of(series(downbeats=None, sections=None, loudness=None))
    assert bare is not None
    assert bare.duration == 29.5
    assert not len(bare.downbeats)


@pytest.mark.parametrize("times", [[], [1.0, 2.0, 3.0], [-5.0, 1.0, 2.0, 1e9, 2e9]])
def test_without_beats_there_is_nothing_to_fit(times: list[float]) -> None:
    beats = Series("beats", np.zeros(len(times), np.uint8), times=np.array(times))
    assert Music.of(series(beats=beats)) is None
    assert Music.of(series(beats=None)) is None
    assert Music.of([]) is None


def test_odd_series_do_no_harm() -> None:
    endless = Series("loudness", np.zeros(300, np.float32), rate=1e-3)
    assert Music.of(series(loudness=endless)) is None, "83 hours of it"
    for values in (np.full(300, np.nan, np.float32), np.zeros((300, 2), np.float32)):
        track = Music.of(series(loudness=Series("loudness", values, rate=10.0)))
        assert track is not None
        assert not len(track.loudness)


def features(cuts: list[float], duration: float | None, rows: int = 20) -> VideoFeatures:
    values = np.zeros((rows, 5), np.float32)
    known = VideoSeries(values, np.array(cuts, dtype=np.float64))
    sources = (Source.GIVEN,) * len(VIDEO_DIMS)
    return VideoFeatures((0.0,) * len(VIDEO_DIMS), sources, "", known, duration)


def test_only_clips_with_cuts_are_fitted_to() -> None:
    seen = Picture.of(features([0.0, 3.0, 7.0, 25.0], 20.0))
    assert seen is not None
    assert seen.cuts.tolist() == [3.0, 7.0]
    for unfit in (
        None,
        features([], 20.0),
        features([3.0], None),
        features([0.5], 0.9),
        features([3.0], 7201.0),
        features(np.linspace(1, 19, MAX_CUTS + 1).tolist(), 20.0),
        replace(features([3.0], 20.0), series=None),
    ):
        assert Picture.of(unfit) is None
    # A caller's lists need not go together.
    track = Music.of(series())
    odd = Picture.of(features([3.0], 20.0, rows=3))
    assert track is not None
    assert odd is not None
    assert fit(odd, track).motion == 0.0
