"""Each perceptual dimension follows what it is named after."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.encoders.perceptual import FEATURE_SET, PerceptualEncoder
from retrieval.encoders.perceptual_dims import DIMS
from tests import signals
from tests.signals import Samples

RATE = PerceptualEncoder.sample_rate
SECONDS = 10.0
ROOTS = (60, 65, 67, 60, 60, 65, 67, 60)


def measure(sound: Samples) -> dict[str, float]:
    encoder = PerceptualEncoder()
    vector = encoder.forward_audio([encoder.prepare_audio(sound.astype(np.float32))])[0]
    return dict(zip(DIMS, map(float, vector), strict=True))


def noise(low: float, high: float) -> Samples:
    return signals.noise(SECONDS, RATE, band=(low, high))


def ordered(dim: str, *sounds: Samples, by: float) -> bool:
    """Whether a dimension rises from sound to sound by at least this much."""
    values = [measure(sound)[dim] for sound in sounds]
    return all(b - a >= by for a, b in pairwise(values))


def test_brightness_follows_the_band_of_noise() -> None:
    bands = [noise(60, 400), noise(300, 1_500), noise(1_000, 4_000), noise(4_000, 10_000)]
    assert ordered("brightness", *bands, by=10.0)
    assert ordered("warmth", *bands[2::-1], by=2.0)


def test_brightness_follows_pitch() -> None:
    tones = [signals.sine(f, SECONDS, RATE) for f in (150.0, 600.0, 2_400.0, 8_000.0)]
    assert ordered("brightness", *tones, by=20.0)


def test_richness_is_low_for_a_tone_and_high_for_a_dense_spectrum() -> None:
    tone = signals.sine(440.0, SECONDS, RATE)
    note = signals.tone(57, SECONDS, RATE, harmonics=12)
    assert ordered("richness", tone, note, note + 0.5 * noise(40, 10_000), by=2.0)


def test_variation_is_low_for_a_held_sound_and_high_for_a_changing_one() -> None:
    parts = [noise(100, 800)[: RATE // 2], noise(2_000, 8_000)[: RATE // 2]]
    changing = np.concatenate(parts * 10)
    assert ordered("variation", noise(40, 10_000), changing, by=8.0)
    pad = signals.chords([60], each=SECONDS, rate=RATE)
    assert ordered("variation", pad, signals.song(3, SECONDS, RATE).mean(axis=1), by=3.0)


def test_rhythm_is_high_for_a_pulse_and_low_for_a_pad() -> None:
    pad = signals.chords([60], each=SECONDS, rate=RATE)
    assert ordered("rhythm", pad, pad + 0.3 * signals.clicks(120, SECONDS, RATE), by=10.0)
    assert measure(noise(40, 10_000))["rhythm"] < -7.0


def test_rhythm_is_low_where_clicks_keep_no_time() -> None:
    rng = np.random.default_rng(5)
    click = signals.clicks(60.0, 0.5, RATE)[: RATE // 8]
    loose = np.zeros(int(SECONDS * RATE), np.float32)
    for start in rng.uniform(0.0, SECONDS - 0.2, 20):
        loose[int(start * RATE) : int(start * RATE) + len(click)] += click
    assert ordered("rhythm", loose, signals.clicks(120, SECONDS, RATE), by=5.0)


def test_rhythm_speed_follows_tempo() -> None:
    tempi = [signals.clicks(bpm, SECONDS, RATE) for bpm in (50, 75, 100, 130, 170, 210)]
    assert ordered("rhythm_speed", *tempi, by=3.0)
    assert measure(signals.chords([60], each=SECONDS, rate=RATE))["rhythm_speed"] < 15.0


def test_melody_trend_follows_the_pitch() -> None:
    falling, rising = (signals.glide(a, b, SECONDS, RATE) for a, b in ((800, 200), (200, 800)))
    assert measure(falling)["melody_trend"] < 40.0
    assert measure(rising)["melody_trend"] > 60.0
    assert measure(signals.sine(440, SECONDS, RATE))["melody_trend"] == pytest.approx(50.0, abs=0.5)
    up = signals.arpeggio(range(50, 80), times=1, each=1 / 3, rate=RATE)
    down = signals.arpeggio(range(79, 49, -1), times=1, each=1 / 3, rate=RATE)
    assert measure(down)["melody_trend"] < 40.0
    assert measure(up)["melody_trend"] > 60.0


def test_harmony_is_high_for_a_chord_and_low_for_noise() -> None:
    chord = signals.arpeggio([60, 64, 67, 72], times=10, rate=RATE)
    notes = np.random.default_rng(0).integers(48, 84, 40)
    anything = signals.arpeggio([int(n) for n in notes], times=1, rate=RATE)
    assert ordered("harmony", noise(40, 10_000), anything, chord, by=3.0)


@pytest.mark.parametrize("shift", range(0, 12, 3))
def test_valence_is_higher_in_major_than_in_minor(shift: int) -> None:
    roots = [root + shift for root in ROOTS]
    minor, major = (signals.chords(roots, minor=m, rate=RATE) for m in (True, False))
    assert measure(minor)["valence"] < -30.0
    assert measure(major)["valence"] > 30.0


def test_arousal_is_high_for_loud_fast_bright_and_low_for_quiet_slow_dark() -> None:
    slow = 0.1 * signals.chords([40, 43], each=5.0, rate=RATE)
    middle = signals.arpeggio([60, 64, 67, 72], times=5, each=0.5, rate=RATE)
    fast = 3.0 * signals.clicks(170, SECONDS, RATE) + noise(2_000, 9_000)
    assert ordered("arousal", slow, middle, fast, by=15.0)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), decibels=st.floats(-12.0, 12.0))
def test_level_changes_arousal_alone_and_little(seed: int, decibels: float) -> None:
    sound = signals.song(seed, 4.0, RATE).mean(axis=1)
    plain, scaled = measure(sound), measure(sound * 10 ** (decibels / 20))
    for name in DIMS:
        slack = 4.0 if name == "arousal" else 0.01
        assert scaled[name] == pytest.approx(plain[name], abs=slack), name
    if abs(decibels) > 1.0:
        assert (scaled["arousal"] > plain["arousal"]) == (decibels > 0)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1_000), delay=st.integers(1, 3_000))
def test_a_small_delay_changes_little(seed: int, delay: int) -> None:
    """Encoders of lossy formats put some padding in front."""
    sound = signals.song(seed, SECONDS, RATE).mean(axis=1)
    encoder = PerceptualEncoder()
    plain = encoder.prepare_audio(sound)
    later = encoder.prepare_audio(np.concatenate([np.zeros(delay, np.float32), sound]))
    assert (np.abs(plain - later) / encoder.reference.std).max() < 0.75


def test_values_stay_in_their_ranges() -> None:
    for sound in (noise(40, 10_000), np.zeros(RATE, np.float32), np.ones(RATE, np.float32)):
        values = measure(sound)
        assert all(-15.0 <= values[name] <= 15.0 for name in DIMS[:5])
        assert all(0.0 <= values[name] <= 100.0 for name in DIMS[5:9])
        assert -100.0 <= values["valence"] <= 100.0


KNOWN = {
    "richness": -4.60,
    "variation": 6.55,
    "rhythm": 9.44,
    "warmth": -0.92,
    "harmony": 3.83,
    "brightness": 40.80,
    "melody_trend": 54.85,
    "rhythm_speed": 29.06,
    "arousal": 43.34,
    "valence": 26.16,
}


def test_known_values() -> None:
    """A change here is a change of the space: raise ``FEATURE_SET`` and learn the new values."""
    assert FEATURE_SET == "segue-signal-1"
    values = measure(signals.song(11, SECONDS, RATE).mean(axis=1))
    assert values == pytest.approx(KNOWN, abs=0.05)


def test_payload_is_rounded() -> None:
    vector = np.array([1.23456] * 10, dtype=np.float32)
    assert PerceptualEncoder().payload(vector) == dict.fromkeys(DIMS, 1.23)


def test_payload_shows_no_minus_zero() -> None:
    values = PerceptualEncoder().payload(np.full(len(DIMS), -1e-4, np.float32))
    assert {str(value) for value in values.values()} == {"0.0"}
