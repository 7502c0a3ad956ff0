"""Tempo, beats and downbeats of sounds that are known."""

import numpy as np
import pytest

from retrieval.describe.levels import pulse
from retrieval.describe.protocol import Findings, Sound
from retrieval.describe.registry import load
from retrieval.describe.rhythm import beats, steady_bpm
from tests.bench.describe_accuracy import f_measure
from tests.describe.pieces import RATE, drumming, piece
from tests.describe.sounds import heard
from tests.signals import Samples, clicks, noise

LEVELS = heard(np.zeros(1, dtype=np.float32), RATE).levels


def rhythm(samples: Samples, rate: int = RATE) -> Findings:
    return load("rhythm").describe(heard(samples, rate))


@pytest.mark.parametrize("tempo", [84.0, 120.0, 132.5])
def test_beats_lie_where_they_were_played(tempo: float) -> None:
    found = rhythm(piece("I V vi IV", tempo=tempo))
    assert found.scalars["bpm_measured"] == pytest.approx(tempo, rel=0.005)
    assert 0.6 < found.scalars["bpm_confidence"] <= 1.0  # type: ignore[operator]
    moments, bars = found.series
    truth = np.arange(48) * 60.0 / tempo
    assert f_measure(moments.starts, truth) > 0.95
    assert f_measure(bars.starts, truth[::4]) > 0.9
    on = np.isin(moments.starts, bars.starts)
    assert np.array_equal(moments.values == 1, on), "downbeats are the first beats of bars"
    assert moments.values.max() == 4


def test_a_waltz_has_three_beats() -> None:
    moments, bars = rhythm(piece("I IV V I vi IV", tempo=150.0, meter=3, bars=24)).series
    assert f_measure(moments.starts, np.arange(72) * 0.4) > 0.9
    assert np.median(np.diff(bars.starts)) == pytest.approx(1.2, abs=0.05)


@pytest.mark.parametrize("tempo", [50.0, 100.0, 200.0])
def test_the_alternative_is_half_or_double(tempo: float) -> None:
    found = rhythm(clicks(tempo, 20.0, RATE), RATE).scalars
    both = [found["bpm_measured"], found["bpm_alt"]]
    assert any(value == pytest.approx(tempo, rel=0.01) for value in both)
    assert both[1] / both[0] == pytest.approx(2.0, rel=0.01) or (  # type: ignore[operator]
        both[1] / both[0] == pytest.approx(0.5, rel=0.01)  # type: ignore[operator]
    )
    sure = found["bpm_confidence"], found["bpm_alt_confidence"]
    assert 0.0 <= sure[1] <= sure[0] <= 1.0  # type: ignore[operator]


def test_tempo_is_free_of_level_and_rate() -> None:
    samples = piece("I V vi IV", tempo=96.0, bars=8)
    first = rhythm(samples).scalars["bpm_measured"]
    assert rhythm(0.01 * samples).scalars["bpm_measured"] == pytest.approx(first, rel=0.005)
    assert rhythm(np.repeat(samples, 2), 2 * RATE).scalars["bpm_measured"] == pytest.approx(
        first, rel=0.005
    )


@pytest.mark.parametrize("name", ["rhythm", "key", "chords"])
@pytest.mark.parametrize("frames", [0, 1, 5_000])
def test_the_shortest_sounds_are_described_by_nothing(name: str, frames: int) -> None:
    samples = np.full(frames, 0.1, dtype=np.float32)
    assert not load(name).describe(Sound(samples, frames / RATE, LEVELS)).scalars


@pytest.mark.parametrize("seed", range(6))
def test_any_sound_is_described_within_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [
        rng.choice([0.0, 0.001, 1.0]) * rng.standard_normal(int(rng.integers(1, 4 * RATE)))
        for _ in range(8)
    ]
    sound = heard(np.clip(np.concatenate(parts), -1, 1).astype(np.float32), RATE)
    for name in ("rhythm", "key", "chords"):
        found = load(name).describe(sound)
        for field, value in found.scalars.items():
            if field.endswith("_confidence"):
                assert 0.0 <= value <= 1.0  # type: ignore[operator]
        for one in found.series:
            assert np.all(np.diff(one.starts) > 0) and np.all(one.starts >= -0.001)
            assert np.all(one.starts <= sound.seconds + 0.5)


@pytest.mark.parametrize("seconds", [0.5, 5.0, 30.0])
def test_silence_has_no_tempo(seconds: float) -> None:
    samples = np.zeros(round(seconds * RATE), dtype=np.float32)
    assert not rhythm(samples).scalars
    assert not len(beats(heard(samples, RATE)).beats)


def test_what_is_short_or_nothing_but_noise_is_not_sure_of_its_tempo() -> None:
    assert not rhythm(drumming(6.0, 120.0)).scalars
    assert rhythm(noise(20.0, RATE)).scalars.get("bpm_confidence", 0.0) < 0.6  # type: ignore[operator]
    assert pulse(heard(clicks(100.0, 3.0, RATE), RATE)) is None


def test_a_tempo_is_made_exact_by_the_intervals_that_keep_to_it() -> None:
    taps = np.cumsum([0.0, 0.5, 0.51, 0.49, 1.0, 0.5])
    assert steady_bpm(taps, 118.0) == pytest.approx(120.0)
    assert steady_bpm(taps[:1], 118.0) == 118.0
