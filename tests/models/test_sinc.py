"""The resampler against its definition, sample by sample, and against itself in pieces."""

from __future__ import annotations

import math

import numpy as np
import pytest

from retrieval.encoders.sinc import SincResampler

RATES = [(44_100, 24_000), (48_000, 24_000), (16_000, 24_000), (8_000, 24_000), (44_101, 24_000)]


def by_definition(x: np.ndarray, source: int, target: int) -> np.ndarray:
    common = math.gcd(source, target)
    source, target = source // common, target // common
    scale = 0.99 * min(1.0, target / source)
    out = np.zeros(-(-len(x) * target // source))
    for n in range(len(out)):
        centre = n * source / target
        j = np.arange(max(0, int(centre - 7 / scale)), min(len(x), int(centre + 7 / scale) + 2))
        t = (j - centre) * scale
        taps = np.where(np.abs(t) < 6, np.sinc(t) * np.cos(np.pi * t / 12) ** 2 * scale, 0)
        out[n] = taps @ x[j].astype(np.float64)
    return out


@pytest.mark.parametrize(("source", "target"), RATES)
def test_matches_the_definition(source: int, target: int) -> None:
    x = np.random.default_rng(1).uniform(-1, 1, 2_003).astype(np.float32)
    got = SincResampler(source, target).push(x, last=True)
    expected = by_definition(x, source, target)
    assert len(got) == len(expected)
    assert np.abs(got - expected).max() < 2e-6
    shifted = by_definition(np.roll(x, 1), source, target)
    assert np.abs(got - shifted).max() > 1e-2


@pytest.mark.parametrize(("source", "target"), [*RATES, (24_000, 24_000)])
def test_pieces_do_not_show(source: int, target: int) -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-1, 1, 60_000).astype(np.float32)
    whole = SincResampler(source, target).push(x, last=True)
    stream = SincResampler(source, target)
    cuts = np.sort(rng.integers(0, len(x), 20))
    pieces = [stream.push(part) for part in np.split(x, cuts)]
    pieces.append(stream.push(np.empty(0, np.float32), last=True))
    assert np.array_equal(np.concatenate(pieces), whole)


def test_a_tone_stays_and_what_cannot_be_heard_at_24_khz_goes() -> None:
    t = np.arange(44_100) / 44_100
    for frequency, kept in ((1_000, True), (15_000, False)):
        tone = np.sin(2 * np.pi * frequency * t).astype(np.float32)
        got = SincResampler(44_100, 24_000).push(tone, last=True)[1_000:-1_000]
        assert (float(np.sqrt((got**2).mean())) > 0.7) is kept


def test_awkward_rates_need_no_giant_filter() -> None:
    # As a dense bank of filters this one would take four gigabytes.
    resampler = SincResampler(44_101, 24_000)
    assert len(resampler.push(np.ones(100_000, np.float32), last=True)) == 54_421
