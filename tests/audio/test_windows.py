"""Mono, resampling and windows, piece by piece."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.audio import Resampler, Window, WindowCutter, to_mono
from retrieval.encoders.protocol import Windowing
from tests import signals
from tests.signals import Samples

RATE = 100


def cut(samples: Samples, shape: Windowing, sizes: list[int]) -> list[Window]:
    cutter = WindowCutter(RATE, shape)
    windows: list[Window] = []
    for piece in np.split(samples, np.cumsum(sizes)):
        windows.extend(cutter.push(piece))
    windows.extend(cutter.finish())
    return windows


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(1, 3_000),
    length=st.floats(0.1, 8.0),
    hop=st.floats(0.1, 12.0),
    minimum=st.floats(0.0, 4.0),
    sizes=st.lists(st.integers(0, 700), max_size=10),
)
def test_windows_follow_from_the_sound_alone(
    count: int, length: float, hop: float, minimum: float, sizes: list[int]
) -> None:
    samples = np.arange(count, dtype=np.float32)
    shape = Windowing(length, hop, minimum)
    windows = cut(samples, shape, sizes)
    size, step = round(length * RATE), round(hop * RATE)

    expected = []
    start = 0
    while start < count:
        end = min(start + size, count)
        whole, only = end - start == size, start == 0
        if whole or only or end - start >= round(minimum * RATE):
            expected.append((start, end))
        if end == count:
            break
        start += step
    assert [(round(w.start * RATE), round(w.end * RATE)) for w in windows] == expected
    for window, (first, last) in zip(windows, expected, strict=True):
        assert np.array_equal(window.samples, samples[first:last])


def test_no_sound_no_window() -> None:
    assert cut(np.empty(0, np.float32), Windowing(1.0, 1.0, 0.5), []) == []


@pytest.mark.parametrize(("seconds", "spans"), [(30.0, 3), (30.5, 3), (31.0, 4), (0.2, 1), (10, 1)])
def test_spans_of_ten_seconds(seconds: float, spans: int) -> None:
    windows = cut(np.zeros(round(seconds * RATE), np.float32), Windowing(10.0, 10.0, 1.0), [])
    assert len(windows) == spans
    assert windows[0].start == 0.0
    assert all(a.end == b.start for a, b in pairwise(windows))


@pytest.mark.parametrize(
    ("source", "target"), [(44_100, 22_050), (48_000, 22_050), (8_000, 48_000)]
)
def test_resampling_in_pieces_is_resampling_at_once(source: int, target: int) -> None:
    samples = signals.noise(2.0, source, band=(50.0, 3_000.0))
    at_once, in_pieces = Resampler(source, target), Resampler(source, target)
    expected = at_once.push(samples, last=True)
    parts = [in_pieces.push(piece) for piece in np.array_split(samples, 37)]
    parts.append(in_pieces.push(np.empty(0, np.float32), last=True))
    found = np.concatenate(parts)
    assert len(found) == len(expected) == pytest.approx(2.0 * target, abs=2)
    assert np.abs(found - expected).max() < 1e-5


def test_resampling_keeps_the_sound() -> None:
    resampled = Resampler(44_100, 22_050).push(signals.sine(1_000.0, 1.0), last=True)
    assert np.abs(resampled - signals.sine(1_000.0, 1.0, 22_050))[500:-500].max() < 1e-3


def test_equal_rates_change_nothing() -> None:
    samples = signals.noise(0.1)
    assert Resampler(44_100, 44_100).push(samples, last=True) is samples


def test_mono_is_the_mean_of_the_channels() -> None:
    block = np.array([[1.0, 0.0, -0.4], [0.5, 0.5, 0.5]], np.float32)
    assert to_mono(block) == pytest.approx([0.2, 0.5])
    assert np.array_equal(to_mono(block[:, :1]), block[:, 0])
