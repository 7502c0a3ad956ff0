"""What a child states is held to what its parent may expect, before any of it is allocated."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from retrieval.audio import IsolatedDecoder, Limits
from retrieval.audio.children import MIB, Children
from retrieval.core.errors import AudioError, InvalidInputError, VideoError
from retrieval.video.clips import ClipDecoder
from retrieval.video.limits import Sampling, VideoLimits
from tests.audio import liar

Lie = Callable[[str], object]


def lying() -> Children:
    return Children("tests.audio.liar", most=1, memory=64 * MIB, patience=20.0, what="liar")


@pytest.fixture
def hear(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lie]:
    monkeypatch.setattr("retrieval.audio.isolated.Children", lambda *_, **__: lying())
    with IsolatedDecoder(timeout=20.0) as decoder:
        yield lambda name: decoder.decode(b"sound", Limits(max_duration=60.0), name=name)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lie]:
    monkeypatch.setattr("retrieval.video.clips.Children", lambda *_, **__: lying())

    def watched(name: str) -> object:
        limits = VideoLimits(max_duration=60.0, max_frames=300)
        with decoder.open(b"clip", Sampling(30.0, 36), limits, name=name) as opened:
            return list(opened.frames())

    with ClipDecoder(timeout=20.0) as decoder:
        yield watched


def refused(act: Lie, name: str, kind: type[InvalidInputError]) -> str:
    tracemalloc.start()
    try:
        with pytest.raises(kind, match=f"^{name}: the decoder broke down on this file$") as caught:
            act(name)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # What the limits allow this sound (60 s at 8 kHz) and a frame, not what was stated.
    assert peak < 5 * MIB
    return caught.value.reason


@pytest.mark.parametrize("name", liar.SOUND)
def test_lies_about_sound(hear: Lie, name: str) -> None:
    assert refused(hear, name, AudioError) == "AUDIO_UNREADABLE"


@pytest.mark.parametrize("name", liar.PICTURES)
def test_lies_about_pictures(watch: Lie, name: str) -> None:
    assert refused(watch, name, VideoError) == "VIDEO_UNREADABLE"
