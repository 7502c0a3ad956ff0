"""Dissolves and fades are cuts where the shot changes; whatever else takes its time is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.video.colour import brightness
from retrieval.video.cuts import CutFinder
from retrieval.video.flow import halved
from retrieval.video.frames import Frame
from retrieval.video.measuring import ClipMeter
from retrieval.video.transitions import TransitionFinder
from tests.video.clips import Shot

Picture = NDArray[np.float64]
HOLD = 1.6
LOOKS: dict[str, dict[str, object]] = {"still": {}, "pan": {"pan": 0.3}, "object": {"object": 0.4}}


def picture(shot: Shot, time: float) -> Picture:
    return shot.picture(time, 160, 90).astype(np.float64)


def shots(seed: int, look: str = "still") -> tuple[Shot, Shot]:
    rng = np.random.default_rng(seed)
    one, other = (
        Shot(9.0, tuple(rng.integers(60, 190, 3)), rng.uniform(15, 45), seed=2 * seed + place)
        for place in (0, 1)
    )
    return replace(one, **LOOKS[look]), replace(other, **LOOKS[look])  # type: ignore[arg-type]


def change(seed: int, how: str, seconds: float, look: str, rate: float) -> Iterator[Frame]:
    """One shot, a transition of so many seconds, and another shot, with noise over all."""
    one, other = shots(seed, look)
    rng = np.random.default_rng(seed)
    for place in range(round((2 * HOLD + seconds) * rate)):
        time = place / rate
        share = float(np.clip((time - HOLD) / seconds, 0.0, 1.0))
        if how == "dissolve":
            shown = (1 - share) * picture(one, time) + share * picture(other, time)
        else:
            colour = 250.0 if how == "white" else 4.0
            near = one if share < 0.5 else other
            shown = colour + abs(1 - 2 * share) * (picture(near, time) - colour)
        noisy = shown + rng.normal(0.0, 1.5, shown.shape)
        yield Frame(time, np.clip(noisy, 0, 255).astype(np.uint8))


def gradual(frames: Iterator[Frame], cuts: tuple[float, ...] = ()) -> list[float]:
    finder = TransitionFinder()
    for frame in frames:
        finder.show(frame.time, halved(brightness(frame.pixels)))
    return finder.with_cuts(cuts).tolist()


def measured(frames: Iterator[Frame]) -> list[float]:
    meter = ClipMeter()
    for frame in frames:
        meter.show(frame)
    series = meter.features(frame.time, partial=False).series
    assert series is not None
    return series.cuts.tolist()


@pytest.mark.parametrize(
    ("how", "seconds", "look"),
    [
        *(("dissolve", seconds, look) for seconds in (0.6, 1.4) for look in LOOKS),
        ("black", 1.4, "still"),
        ("black", 0.8, "pan"),
        ("white", 1.0, "object"),
    ],
)
def test_one_cut_within_the_transition(how: str, seconds: float, look: str) -> None:
    (found,) = gradual(change(3, how, seconds, look, 8.0))
    assert HOLD < found < HOLD + seconds


@pytest.mark.slow
def test_most_transitions_are_found_and_nothing_else() -> None:
    """As they are seen at 25 frames per second, of 0.5 to 1.5 s."""
    rng = np.random.default_rng(0)
    found = dict.fromkeys(("dissolve", "black", "white"), 0)
    for seed in range(20, 36):
        for how in found:
            seconds = rng.uniform(0.5, 1.5)
            cuts = measured(change(seed, how, seconds, list(LOOKS)[seed % 3], 25.0))
            assert all(HOLD - 0.1 < cut < HOLD + seconds + 0.1 for cut in cuts), (seed, how)
            assert len(cuts) <= 1, (seed, how)
            found[how] += len(cuts)
    assert found["dissolve"] >= 14, found
    assert found["black"] + found["white"] >= 30, found


@pytest.mark.parametrize("how", ["dissolve", "black"])
def test_every_frame_of_it_seen(how: str) -> None:
    """The ramps of a fade, which fall and rise faster and faster, are no cuts of their own."""
    assert measured(change(21, how, 1.0, "still", 12.5)) == [pytest.approx(HOLD + 0.5, abs=0.2)]


def test_a_hard_cut_and_a_hard_cut_to_black_stay() -> None:
    assert gradual(change(1, "dissolve", 0.01, "still", 8.0), (HOLD,)) == [HOLD]
    black = [np.zeros((90, 160, 3), np.uint8)] * 8
    still = [np.asarray(picture(shots(1)[0], 0.0), np.uint8)] * 12
    frames = [Frame(place / 8, one) for place, one in enumerate([*still, *black, *still])]
    assert gradual(iter(frames), (1.5, 2.5)) == [1.5, 2.5]


def under(light: Callable[[float], float]) -> Callable[[float], Picture]:
    return lambda time: picture(shots(5)[0], 0.0) * light(time)


def zoom(time: float) -> Picture:
    scale = np.exp(-0.15 * time)
    rows, columns = (np.arange(n) - n / 2 for n in (90, 160))
    near = picture(replace(shots(5)[0], seed=8), 0.0)
    places = [np.clip(c * scale + n / 2, 0, n - 1) for c, n in ((rows, 90), (columns, 160))]
    return near[np.round(places[0]).astype(int)[:, None], np.round(places[1]).astype(int)]


def whip(time: float) -> Picture:
    far = 0.5 - 0.5 * np.cos(np.pi * np.clip((time - 1.5) / 1.2, 0, 1))
    return picture(replace(shots(5)[0], pan=1.0), 1.5 * far)


def covered(time: float) -> Picture:
    """Something goes across all of the picture and leaves."""
    near = picture(shots(5)[0], 0.0)
    edge = round((time - 1.0) * 160) - 160
    first, last = max(0, edge), max(0, min(160, edge + 140))
    near[:, first:last] = picture(shots(5)[1], 0.0)[:, first:last]
    return near


def titled(time: float) -> Picture:
    near = picture(shots(5)[0], 0.0)
    share = float(np.interp(time, [1.2, 1.8, 3.0, 3.6], [0, 1, 1, 0]))
    near[30:60, 20:140:6] = (1 - share) * near[30:60, 20:140:6] + 235 * share
    return near


NO_TRANSITIONS: dict[str, Callable[[float], Picture]] = {
    "pan": lambda time: picture(replace(shots(5)[0], pan=0.5), time),
    "object": lambda time: picture(replace(shots(5)[0], object=0.6), time),
    "whip pan": whip,
    "zoom": zoom,
    "covered": covered,
    "title": titled,
    "exposure": under(lambda time: float(np.interp(time, [1.2, 2, 3, 3.6], [1, 0.4, 0.4, 1.2]))),
    "flicker": under(lambda time: 0.8 + 0.25 * np.sin(2 * np.pi * 6.3 * time)),
    "out and in again": under(lambda time: float(np.interp(time, [1, 1.8, 2.2, 3], [1, 0, 0, 1]))),
}


@pytest.mark.parametrize("name", NO_TRANSITIONS)
def test_what_is_no_transition(name: str) -> None:
    rng = np.random.default_rng(0)
    finder, cuts = TransitionFinder(), CutFinder()
    for place in range(52):
        shown = NO_TRANSITIONS[name](place / 12.5) + rng.normal(0.0, 1.5, (90, 160, 3))
        pixels = np.clip(shown, 0, 255).astype(np.uint8)
        grey = brightness(pixels)
        cuts.show(place / 12.5, pixels, grey)
        finder.show(place / 12.5, halved(grey))
    assert finder.with_cuts(cuts.cuts()).tolist() == []
