"""What is heard becomes payload as tracks are indexed, from the windows that are encoded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.describe_file import describe_file
from indexer.training.parts import Played
from indexer.training.singing import sing
from retrieval.audio import Limits
from retrieval.core.filters import Equals
from retrieval.core.payload import Payload
from retrieval.core.spaces import DenseVector
from retrieval.describe.registry import load as load_descriptor
from retrieval.encoders.ear import EarEncoder
from retrieval.encoders.ear_towers import Impression
from retrieval.encoders.registry import load
from retrieval.search import LocalLibrary
from tests.describe.pieces import RATE, piece
from tests.indexer.conftest import Place, retag
from tests.indexer.encoders import Log
from tests.signals import encode, to_int16

SCALE = (60, 62, 64, 65, 67, 65, 64, 62)


class CountingEar(EarEncoder):
    """The ear, with a line in a log for each window."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = Log(log)

    def __reduce__(self) -> tuple[object, ...]:  # type: ignore[override]
        return (CountingEar, (self._log.path,))

    def prepare_audio(self, window: NDArray[np.float32]) -> Impression:
        self._log.write("prepare")
        return super().prepare_audio(window)

    def forward_audio(self, batch: Sequence[Impression]) -> DenseVector:
        self._log.write("forward")
        return super().forward_audio(batch)


@cache
def sung() -> NDArray[np.float32]:
    notes = tuple(Played(n * 0.6, n * 0.6 + 0.55, SCALE[n % 8], 100) for n in range(20))
    return sing(notes, 12 * RATE, RATE, np.random.default_rng(1))


@pytest.fixture
def place(place: Place) -> Place:
    place.close()
    place.encoders = [CountingEar(place.log.path), load("lexical")]
    place.open()
    for name, sound in (("sung.wav", sung()), ("band.wav", piece("i IV V i", bars=8, tempo=160.0))):
        data = retag(encode(to_int16(sound), RATE, "wav"), "wav", title=name, genre="Shanty")
        (place.music / name).write_bytes(data)
    return place


def heard(place: Place, name: str) -> Payload:
    return {n: value for n, value in place.track(name).payload.items() if "_heard" in n}


def work(place: Place) -> list[str]:
    lines = place.log.lines()
    place.log.path.unlink(missing_ok=True)
    return lines


def test_what_is_heard_becomes_payload_and_nothing_is_encoded_for_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place.index(descriptors=("heard",), workers=1, spool_from=0).indexed == 2
    assert work(place).count("prepare") == 4, "two windows each, once"
    assert heard(place, "sung.wav")["voice_heard"] == "vocal"
    assert 0.7 <= heard(place, "sung.wav")["voice_heard_confidence"] <= 1.0  # type: ignore[operator]
    assert heard(place, "band.wav")["voice_heard"] == "instrumental"
    assert place.track("sung.wav").payload["genre"] == ("Shanty",), "tags stay as they are"
    assert isinstance(place.library, LocalLibrary)
    assert place.library.count_tracks(Equals("voice_heard", "vocal")) == 1
    ear, described = load("ear"), load_descriptor("heard")
    facts = describe_file(place.music / "sung.wav", [described], [ear], limits=Limits())  # type: ignore[list-item]
    assert heard(place, "sung.wav").items() <= facts.payload.items()
    assert place.index(descriptors=("heard",), workers=1).unchanged == 2
    assert work(place) == []

    before, tracks = heard(place, "sung.wav"), place.records()
    monkeypatch.setattr("retrieval.describe.heard._RULES", 99)
    place.encoders = [load("lexical")]
    assert place.index(descriptors=("heard",), workers=1).unchanged == 2, "nobody listens"
    place.encoders = [CountingEar(place.log.path), load("lexical")]
    assert place.index(descriptors=("heard",), workers=1).updated == 2
    assert work(place).count("forward") == 0, "no vector is made again"
    assert heard(place, "sung.wav") == before
    for old, new in zip(tracks, place.records(), strict=True):
        assert np.array_equal(old.vectors["ear"], new.vectors["ear"])  # type: ignore[arg-type]
        assert len(old.segments) == len(new.segments) == 2
