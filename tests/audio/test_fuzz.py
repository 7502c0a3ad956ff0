"""Mutated files: an ``AudioError`` or sound within the limits, never anything else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.audio import IsolatedDecoder, Limits, stream_digest
from retrieval.core.errors import AudioError
from tests import signals

LIMITS = Limits(max_duration=20.0, max_channels=8)
RATE = 16_000


@pytest.fixture(scope="module")
def decoder() -> Iterator[IsolatedDecoder]:
    """In a child: a crash of a C library is a finding, not the end of the tests."""
    with IsolatedDecoder(children=1, timeout=20.0) as decoder:
        yield decoder


@cache
def original(format: str) -> bytes:
    return signals.encode(signals.song(2, 1.5, RATE), RATE, format=format)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(original(draw(st.sampled_from(signals.FORMATS))))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data) - 1) | st.integers(0, min(200, len(data) - 1)))
        match draw(st.sampled_from(["flip", "set", "cut", "insert", "repeat", "zero"])):
            case "flip":
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "set":
                value = draw(st.binary(min_size=1, max_size=8) | st.just(b"\xff" * 4))
                data[place : place + len(value)] = value
            case "cut":
                del data[place : place + draw(st.integers(1, 4_000))]
            case "insert":
                data[place:place] = draw(st.binary(max_size=64))
            case "repeat":
                data[place:place] = data[place : place + draw(st.integers(1, 2_000))]
            case "zero":
                size = min(draw(st.integers(1, 500)), len(data) - place)
                data[place : place + size] = bytes(size)
        if not data:
            return b""
    return bytes(data)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=mutated() | st.binary(max_size=2_000))
def test_mutated_bytes(decoder: IsolatedDecoder, data: bytes) -> None:
    try:
        sound = decoder.decode(data, LIMITS, name="fuzz")
    except AudioError as error:
        assert error.reason.startswith("AUDIO_")
        assert "fuzz" in error.message
        assert "broke down" not in error.message, "a decoder library crashed"
    else:
        assert 0 < sound.duration <= LIMITS.max_duration
        assert 1 <= sound.channels <= LIMITS.max_channels
        assert np.isfinite(sound.samples).all()


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=mutated() | st.binary(max_size=2_000))
def test_packets_of_mutated_files(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "fuzz"
    path.write_bytes(data)
    try:
        digest = stream_digest(path)
    except AudioError as error:
        assert error.reason.startswith("AUDIO_")
        assert str(path) in error.message
    else:
        assert len(digest) == 32
        assert stream_digest(path) == digest
