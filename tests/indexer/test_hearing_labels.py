"""Without an ear, labels tell voice, genre and mood: measured on the library, where it is sure."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.hearing_labels import NAME, facts
from indexer.progress import Progress, Stage
from indexer.tagging_file import SpaceFits, Tagging, load_tagging, tagging_path
from indexer.tagging_standard import standard_labels
from retrieval.core.payload import Payload
from retrieval.describe.heard import MOODS
from retrieval.encoders.registry import load
from retrieval.encoders.zero_shot_calibration import LabelFit
from tests.indexer.conftest import Place
from tests.indexer.test_tagging_index import BandsAndWords, by_number, tone

WORDS = {"singing": "low", "song with vocals": "low", "metal": "low"}


class SpeaksOfMusic(BandsAndWords):
    """Low tones are sung metal to it."""

    def __reduce__(self) -> tuple[object, ...]:
        return (SpeaksOfMusic, (self.space.name,))

    def prepare_text(self, text: str) -> NDArray[np.float32]:
        return super().prepare_text(" ".join([text, *(WORDS[w] for w in WORDS if w in text)]))


class HearsByItself(SpeaksOfMusic):
    """The same vectors, and an ear that hears no voice in anything."""

    attributes = ("music", "voice", *MOODS)

    def __reduce__(self) -> tuple[object, ...]:
        return (HearsByItself, (self.space.name,))

    def chances(self, heard: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        return np.array([[1.0, *(0.0,) * (len(MOODS) + 1)]] * len(heard))


@pytest.fixture
def shop(place: Place) -> Place:
    place.close()
    place.encoders = [SpeaksOfMusic(), load("lexical")]
    place.open()
    for number in range(15):
        tone(place, number)
    return place


def told(place: Place) -> dict[int, Payload]:
    return {
        number: {name: value for name, value in track.payload.items() if "_heard" in name}
        for number, track in by_number(place).items()
    }


def test_labels_are_measured_once_there_is_enough_and_tell_what_they_set_apart(
    shop: Place,
) -> None:
    assert shop.index(descriptors=("heard",), workers=1).notes == ()
    assert not any(told(shop).values()), "too few tracks to measure anything on"
    for number in range(15, 20):
        tone(shop, number)
    stop = Event()

    def press(now: Progress) -> None:
        if now.stage is Stage.FINISH:
            stop.set()

    assert shop.index(descriptors=("heard",), workers=1, progress=press, stop=stop).interrupted
    assert not any(told(shop).values())
    shop.index(descriptors=("heard",), workers=1)
    found = told(shop)
    for payload in (payload for number, payload in found.items() if number % 4 == 0):
        assert (payload["voice_heard"], payload["genre_heard"]) == ("vocal", ("metal",))
        assert 0.95 <= payload["voice_heard_confidence"] <= 1.0  # type: ignore[operator]
        assert "mood_heard" not in payload
    assert not any(payload for number, payload in found.items() if number % 4)
    manifests = shop.data / "manifests"
    frozen = load_tagging(tagging_path(manifests, shop.library.declare(()).id, NAME))
    assert frozen is not None and frozen.spaces["bands"].fits[0].tracks == 20

    # Labels are kept as they are for new tracks, until the library has doubled.
    tone(shop, 24)
    report = shop.index(descriptors=("heard",), workers=1)
    assert (report.indexed, report.unchanged) == (1, 20)
    assert told(shop)[24]["voice_heard"] == "vocal"
    assert {number: payload for number, payload in told(shop).items() if number < 20} == found
    # An encoder that can tell by itself has the last word, also once it is gone.
    shop.encoders[0] = HearsByItself()
    assert shop.index(descriptors=("heard",), workers=1).updated == 21
    heard = {"voice_heard": "instrumental", "voice_heard_confidence": 1.0}
    assert all(payload == heard for payload in told(shop).values())
    shop.encoders[0] = SpeaksOfMusic()
    assert shop.index(descriptors=("heard",), workers=1).unchanged == 21
    assert all(payload == heard for payload in told(shop).values())


def fits(*shares: float | None) -> Tagging:
    labels = standard_labels()
    nothing = np.zeros(2, dtype=np.float32)
    return Tagging(
        labels,
        0.9,
        {
            f"space{n}": SpaceFits(
                "1", tuple(LabelFit(nothing, 1.0, 0.0, share, 20) for _ in labels)
            )
            for n, share in enumerate(shares)
        },
    )


def test_only_what_is_sure_is_told() -> None:
    names = [label.name for label in standard_labels()]

    def scores(**sure: float) -> list[float]:
        return [sure.get(name, 0.2) for name in names]

    everything = scores(vocals=0.97, rock=0.96, pop=0.99, calm=0.98, happy=0.94)
    assert facts(fits(0.3, 0.2), everything) == {
        "voice_heard": "vocal",
        "voice_heard_confidence": 0.97,
        "genre_heard": ("pop", "rock"),
        "genre_heard_confidence": (0.99, 0.96),
        "mood_heard": ("calm",),
        "mood_heard_confidence": (0.98,),
    }
    assert facts(fits(0.3, None), everything) == {}, "sets nothing apart in one of the spaces"
    assert facts(fits(0.3, 0.4), everything) == {}, "such a group need not be what it is called"
    assert facts(fits(0.3), scores(vocals=0.97, instrumental=0.97)) == {}
    assert facts(fits(0.3), scores(instrumental=0.97))["voice_heard"] == "instrumental"
