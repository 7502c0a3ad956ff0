"""What clips show is what is measured of them, whatever their frame rate and container."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.core.errors import DeadlineError
from retrieval.core.video import SERIES, SIGNAL_DIMS, VIDEO_DIMS, Source, VideoFeatures
from retrieval.video.clips import ClipDecoder
from retrieval.video.colour import brightness, lightness_and_temperature
from retrieval.video.cuts import CutFinder
from retrieval.video.features import FEATURE_SET
from retrieval.video.flow import difference, halved, optical_flow
from retrieval.video.measuring import measure, narrative_pace
from tests.video.clips import Shot, clip, cuts_of, even, pictures, turned, uneven

Watch = Callable[..., VideoFeatures]


def shots(count: int = 3, **look: object) -> list[Shot]:
    return [Shot(0.8 + 0.2 * seed, seed=seed, **look) for seed in range(count)]  # type: ignore[arg-type]


def cuts(shown: Sequence[Shot], times: Sequence[float]) -> list[float]:
    """What the finder alone says of frames that no codec has touched."""
    finder = CutFinder()
    for time, picture in zip(times, pictures(shown, times, (160, 90)), strict=True):
        finder.show(time, picture, brightness(picture))
    return finder.cuts().tolist()


def grey(shot: Shot, time: float) -> NDArray[np.float32]:
    return halved(brightness(shot.picture(time, 320, 180)))


LOOKS: dict[str, dict[str, object]] = {
    "still": {},
    "pan": {"pan": 0.4},
    "object": {"object": 0.5},
    "dark": {"colour": (14, 14, 14), "contrast": 6.0},
    "faint": {"contrast": 8.0},
}


@pytest.mark.parametrize("look", LOOKS)
def test_all_cuts_are_found_to_the_frame_and_no_others(look: str) -> None:
    shown = shots(4, **LOOKS[look])
    whole = sum(shot.seconds for shot in shown)
    for times in (even(25.0, whole), even(12.0, whole), uneven(whole)):
        assert cuts(shown, times) == pytest.approx(cuts_of(shown, times))


def test_cuts_between_plain_colours() -> None:
    plain = [(40, 40, 40), (60, 60, 60), (120, 60, 60), (60, 101, 60)]
    shown = [Shot(0.6, colour=colour, contrast=0.0) for colour in plain]
    times = even(25.0, 2.4)
    assert cuts(shown, times) == pytest.approx(cuts_of(shown, times))


def test_a_flash_is_no_cut() -> None:
    white = {"colour": (250, 250, 250), "contrast": 0.0}
    for length in (0.04, 0.12):
        shown = [Shot(0.8, seed=1), Shot(length, **white), Shot(0.8, seed=1)]  # type: ignore[arg-type]
        assert cuts(shown, even(25.0, 1.6 + length)) == []


def test_a_fade_and_snow_are_no_cuts() -> None:
    grey_levels = [128 - 4 * step for step in range(25)]
    fading = [Shot(0.04, seed=1, colour=(v, v, v), contrast=v / 4) for v in grey_levels]
    assert cuts(fading, even(25.0, 1.0)) == []
    rng = np.random.default_rng(0)
    finder = CutFinder()
    for place in range(30):
        snow = rng.integers(0, 255, (90, 160, 3)).astype(np.uint8)
        finder.show(place / 25, snow, brightness(snow))
    assert finder.cuts().tolist() == []


@pytest.mark.parametrize("pan", [0.0, 0.02, 0.1, 0.3, 0.6])
def test_flow_follows_a_pan(pan: float) -> None:
    for seed in range(3):
        shot = Shot(9.0, pan=pan, seed=seed)
        flow = optical_flow(grey(shot, 1.0), grey(shot, 1.125))
        right, down = flow.camera()
        assert right == pytest.approx(-pan * 160 / 8, rel=0.03, abs=0.02)
        assert down == pytest.approx(0.0, abs=0.05)
        left = difference(grey(shot, 1.0), grey(shot, 1.125), right, down)
        assert left < 0.1 * difference(grey(shot, 1.0), grey(shot, 1.125), 0.0, 0.0) + 0.003


def test_flow_of_an_object_before_a_camera_at_rest() -> None:
    shot = Shot(9.0, object=0.3, seed=3)
    flow = optical_flow(grey(shot, 1.0), grey(shot, 1.125))
    speed = np.hypot(flow.right, flow.down) * 8 / 160
    left = int((0.3 * 320 - 60) / 2)
    assert np.median(speed[35:55, left + 5 : left + 25]) == pytest.approx(0.3, rel=0.05)
    assert np.median(speed) < 0.005
    assert flow.camera() == pytest.approx((0.0, 0.0), abs=0.05)


def test_a_clip_as_features(watch: Watch) -> None:
    shown = shots(pan=0.25)
    found = watch(shown)
    assert found.feature_set == FEATURE_SET
    assert set(found.known()) == set(SIGNAL_DIMS)
    assert [s is Source.SIGNAL for s in found.sources] == [d in SIGNAL_DIMS for d in VIDEO_DIMS]
    assert [v for v, s in zip(found.values, found.sources, strict=True) if s is not Source.SIGNAL]
    assert found.duration == pytest.approx(3.0, abs=0.02)
    assert not found.partial
    known = found.known()
    assert known["motion_amplitude"] == pytest.approx(0.25, rel=0.1)
    assert known["action_energy"] < 25.0
    series = found.series
    assert series is not None
    assert series.values.shape == (3, len(SERIES))
    assert series.cuts == pytest.approx(cuts_of(shown, even(25.0, 3.0)), abs=0.01)
    assert series.values[:, 4].tolist() == [1.0, 1.0, 0.0]
    assert series.values[:, 0] == pytest.approx([0.25] * 3, rel=0.15)


@pytest.mark.parametrize("format", ["mov", "webm"])
def test_neither_container_nor_frame_rate_matters(watch: Watch, format: str) -> None:
    shown = shots(colour=(150, 120, 90), pan=0.2)
    constant = watch(shown, format=format)
    times = uneven(3.0)
    variable = watch(shown, format=format, times=times)
    assert variable.series is not None
    assert variable.series.cuts == pytest.approx(cuts_of(shown, times), abs=0.01)
    for name, tolerance in (
        ("color_weight", 0.01),
        ("color_temperature", 0.03),
        ("motion_amplitude", 0.02),
        ("narrative_pace", 1.0),
    ):
        assert variable.known()[name] == pytest.approx(constant.known()[name], abs=tolerance), name


COLOURS = {
    "black": ((4, 4, 4), 0.98, 0.0),
    "dark": ((40, 40, 40), 0.84, 0.0),
    "grey": ((119, 119, 119), 0.5, 0.0),
    "white": ((250, 250, 250), 0.02, 0.0),
    "orange": ((200, 120, 50), 0.42, 0.8),
    "blue": ((50, 90, 200), 0.58, -0.81),
}


@pytest.mark.parametrize("colour", COLOURS)
def test_light_and_temperature(watch: Watch, colour: str) -> None:
    rgb, weight, temperature = COLOURS[colour]
    picture = np.broadcast_to(np.array(rgb, np.uint8), (4, 4, 3))
    light, warm = lightness_and_temperature(picture)
    assert (1.0 - light, warm) == pytest.approx((weight, temperature), abs=0.02)
    known = watch([Shot(0.3, colour=rgb, contrast=0.0)]).known()
    assert known["color_weight"] == pytest.approx(weight, abs=0.03)
    assert known["color_temperature"] == pytest.approx(temperature, abs=0.06)


def test_more_of_it_measures_more(watch: Watch) -> None:
    energy = [watch([Shot(1.0, object=v)]).known()["action_energy"] for v in (0.0, 0.3, 0.8)]
    assert energy[0] < 3.0
    assert energy[0] + 5.0 < energy[1] < energy[2] - 5.0


def test_pace_rises_with_cuts_and_falls_with_unevenness() -> None:
    every = [narrative_pace(np.arange(step, 60.0, step), 60.0) for step in (60, 20, 5, 2, 1)]
    assert every[0] == 0.0
    assert every == sorted(every)
    assert 45.0 < every[2] < 50.0
    assert narrative_pace(np.array([1.0, 2.0, 3.0]), 60.0) < narrative_pace(
        np.array([15.0, 30.0, 45.0]), 60.0
    )


def test_a_phone_held_upright(watch: Watch, decoder: ClipDecoder) -> None:
    found = measure(turned(clip(shots(2, pan=0.2))), decoder)
    assert found.known()["color_weight"] == pytest.approx(
        watch(shots(2, pan=0.2)).known()["color_weight"], abs=0.01
    )
    # What moved along the long side now moves along the short one's direction: 16 of 9 widths.
    assert found.known()["motion_amplitude"] == pytest.approx(0.2 * 16 / 9, rel=0.1)


def test_what_is_cut_off_is_measured_as_far_as_it_goes(decoder: ClipDecoder) -> None:
    data = clip(shots(), options={"movflags": "frag_keyframe+empty_moov"})
    found = measure(data[: len(data) // 2], decoder)
    assert found.partial
    assert found.duration is not None
    assert 0.5 < found.duration < 2.5
    assert set(found.known()) == set(SIGNAL_DIMS)


def test_one_frame_has_colour_and_no_motion(watch: Watch) -> None:
    known = watch([Shot(0.04)]).known()
    assert set(known) == {"narrative_pace", "color_weight", "color_temperature"}


def test_progress_is_told_and_may_end_the_work(decoder: ClipDecoder) -> None:
    data = clip(shots())
    told: list[tuple[float, float | None]] = []
    measure(data, decoder, progress=lambda *now: told.append(now))
    assert [promised for _, promised in told] == pytest.approx([3.0] * 3, abs=0.05)
    assert [seconds for seconds, _ in told] == pytest.approx([0.0, 1.0, 2.0], abs=0.05)

    def stop(*_: object) -> None:
        raise DeadlineError("too late")

    with pytest.raises(DeadlineError):
        measure(data, decoder, progress=stop)
    assert measure(data, decoder).duration == pytest.approx(3.0, abs=0.05)
