"""Loudness against a second implementation; peaks, dynamics and silence of known sounds."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from retrieval.audio import open_audio
from retrieval.describe.dynamics import Dynamics
from retrieval.describe.intake import hear
from retrieval.describe.loudness import Loudness
from retrieval.describe.silence import Silence
from tests.describe.sounds import heard
from tests.signals import RATE, Samples, noise, sine, song, stereo

AUDIO = Path(__file__).parents[3] / "shared" / "audio"


def k_weighted(samples: Samples, rate: int) -> Samples:
    """BS.1770's two filters, by their response at every frequency of the whole sound."""

    def biquad(frequency: float, quality: float, gain: float | None) -> tuple[list[float], ...]:
        k = math.tan(math.pi * frequency / rate)
        if gain is None:
            a = [1 + k / quality + k * k, 2 * (k * k - 1), 1 - k / quality + k * k]
            return [1.0 * a[0], -2.0 * a[0], 1.0 * a[0]], a
        high = 10 ** (gain / 20)
        band = high**0.4996667741545416
        a = [1 + k / quality + k * k, 2 * (k * k - 1), 1 - k / quality + k * k]
        b = [high + band * k / quality + k * k, 2 * (k * k - high)]
        return [*b, high - band * k / quality + k * k], a

    size = 2 ** math.ceil(math.log2(2 * len(samples)))
    z = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    response = np.ones(len(z), dtype=complex)
    shelf = (1681.974450955533, 0.7071752369554196, 3.999843853973347)
    for setting in (shelf, (38.13547087602444, 0.5003270373238773, None)):
        b, a = biquad(*setting)
        response *= (b[0] + b[1] * z + b[2] * z**2) / (a[0] + a[1] * z + a[2] * z**2)
    spectrum = np.fft.rfft(samples, size, axis=0)
    return np.fft.irfft(spectrum * response[:, None], size, axis=0)[: len(samples)]


def integrated(samples: Samples, rate: int) -> float:
    """Integrated loudness, straight from the words of BS.1770-5."""
    weighted = k_weighted(samples, rate)
    step, size = rate // 10, 4 * (rate // 10)
    starts = range(0, len(samples) - size + 1, step)
    power = np.array([np.square(weighted[s : s + size]).mean(axis=0).sum() for s in starts])
    power = power[power > 10 ** ((-70 + 0.691) / 10)]
    power = power[power > 0.1 * power.mean()]
    return float(-0.691 + 10 * np.log10(power.mean()))


SOUNDS = {
    "a tone": stereo(sine(997, 4.0)),
    "one channel": sine(100, 3.0, 48_000)[:, None],
    "noise, then silence": np.concatenate([noise(3.0), np.zeros(3 * RATE, np.float32)])[:, None],
    "a song": song(3, 6.0),
    "loud and quiet": np.concatenate([noise(2.0), 0.03 * noise(4.0, seed=2)])[:, None],
}


@pytest.mark.parametrize("name", SOUNDS)
def test_loudness_is_that_of_another_implementation(name: str) -> None:
    rate = 48_000 if name == "one channel" else RATE
    found = Loudness().describe(heard(SOUNDS[name], rate)).scalars["loudness_lufs"]
    assert found == pytest.approx(integrated(SOUNDS[name], rate), abs=0.05)


@pytest.mark.skipif(not AUDIO.is_dir(), reason="no recordings here")
def test_real_recordings_are_within_the_same_bounds() -> None:
    for name, known in (("fishin", -14.0), ("nutcracker", None), ("trumpet", None)):
        with open_audio(AUDIO / f"{name}.ogg") as reader:
            blocks = np.concatenate(list(reader.blocks()))
            rate = reader.sample_rate
        found = Loudness().describe(heard(blocks, rate)).scalars["loudness_lufs"]
        assert known is None or found == pytest.approx(known, abs=0.1)
        start = blocks[: 15 * rate]
        found = Loudness().describe(heard(start, rate)).scalars["loudness_lufs"]
        assert found == pytest.approx(integrated(start, rate), abs=0.1)


def test_the_reference_tone_of_the_standard() -> None:
    # EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS peak is -23 LUFS.
    tone = stereo(sine(1000, 20.0, 48_000, 10 ** (-23 / 20)))
    facts = Loudness().describe(heard(tone, 48_000)).scalars
    assert facts["loudness_lufs"] == pytest.approx(-23.0, abs=0.1)
    assert facts["loudness_range"] == pytest.approx(0.0, abs=0.1)


def test_loudness_range_of_two_levels() -> None:
    # EBU Tech 3342, case 1: 20 s at -20 dBFS, then 20 s at -30 dBFS, have a range of 10 LU.
    tone = np.concatenate([sine(1000, 20.0, 48_000, 10 ** (d / 20)) for d in (-20, -30)])
    facts = Loudness().describe(heard(stereo(tone), 48_000)).scalars
    assert facts["loudness_range"] == pytest.approx(10.0, abs=1.0)


def test_the_true_peak_lies_between_the_samples() -> None:
    # A quarter of the rate, a phase of 45 degrees: no sample is beyond 0.707 of the amplitude.
    time = np.arange(RATE) / RATE
    tone = (0.5 * np.sin(2 * np.pi * RATE / 4 * time + np.pi / 4)).astype(np.float32)
    tone *= np.minimum(1, np.minimum(time, time[::-1]) / 0.1)
    sound = heard(tone)
    assert np.abs(tone).max() < 0.36
    peak = Loudness().describe(sound).scalars["true_peak_dbtp"]
    assert peak == pytest.approx(20 * math.log10(0.5), abs=0.2)
    assert heard(sine(997, 1.0, 192_000), 192_000).levels.true_peak == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize("seconds", [0.1, 0.39])
def test_what_is_too_short_or_too_quiet_has_no_loudness(seconds: float) -> None:
    assert "loudness_lufs" not in Loudness().describe(heard(sine(440, seconds))).scalars
    assert "loudness_lufs" not in Loudness().describe(heard(sine(440, 2.0, level=1e-5))).scalars
    short = Loudness().describe(heard(sine(440, 1.0))).scalars
    assert "loudness_lufs" in short and "loudness_range" not in short


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("rate", "channels"), [(2_000, 1), (11_025, 3), (96_000, 8), (768_000, 1)])
def test_any_rate_and_any_channels_can_be_heard(rate: int, channels: int) -> None:
    tone = np.repeat(sine(200, 1.0, rate)[:, None], channels, axis=1)
    sound = heard(tone, rate)
    assert sound.seconds == pytest.approx(1.0, abs=1e-3) and sound.duration == 1.0
    assert sound.levels.true_peak == pytest.approx(0.3, rel=0.1)
    assert len(sound.levels.power) == pytest.approx(sound.levels.rate, abs=1)
    Loudness().describe(sound)


def test_blocks_of_any_size_are_the_same_sound() -> None:
    samples = song(5, 2.0)

    class Small:
        sample_rate, channels, truncated, format, name = RATE, 2, False, "wav", "small"

        def blocks(self):
            return (samples[at : at + 777] for at in range(0, len(samples), 777))

    small, whole = hear(Small()), heard(samples)  # type: ignore[arg-type]
    assert np.allclose(small.samples, whole.samples, atol=1e-6)
    assert small.levels.integrated == pytest.approx(whole.levels.integrated)
    assert small.levels.true_peak == pytest.approx(whole.levels.true_peak, rel=1e-5)
    assert np.allclose(small.levels.power, whole.levels.power)


def test_dynamic_range_is_nothing_for_a_sine_and_the_crest_of_what_has_peaks() -> None:
    assert Dynamics().describe(heard(sine(1000, 9.0))).scalars["dynamic_range"] < 0.1  # type: ignore[operator]
    spiky = 0.05 * sine(1000, 9.0)
    spiky[:: RATE // 2] = 1.0
    found = Dynamics().describe(heard(spiky)).scalars["dynamic_range"]
    assert found > 20  # type: ignore[operator]
    assert Dynamics().describe(heard(sine(1000, 5.0))).scalars == {}


def test_silence_at_both_ends() -> None:
    quiet = np.zeros(RATE, dtype=np.float32)
    sound = heard(np.concatenate([quiet, sine(440, 2.0), quiet, quiet]))
    facts = Silence().describe(sound).scalars
    assert facts["silence_start"] == pytest.approx(1.0, abs=0.02)
    assert facts["silence_end"] == pytest.approx(2.0, abs=0.02)
    assert Silence().describe(heard(quiet)).scalars == {}
    assert Silence().describe(heard(sine(440, 1.0))).scalars == {
        "silence_start": 0.0,
        "silence_end": 0.0,
    }
