"""Voice, genres and moods: what is sure is told, what is not is left out, and no birds are calm."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from indexer.describe_file import describe_file
from retrieval.audio import Limits
from retrieval.core.payload import PayloadValue, check_payload
from retrieval.describe.heard import FIELDS, MOODS, SURE, Heard, told
from retrieval.describe.protocol import Attributes
from retrieval.describe.registry import load as load_descriptor
from retrieval.encoders.registry import load

AUDIO = Path(__file__).parents[3] / "shared" / "audio"

NAMES = ("music", "voice", "group rock music", "genre rock", "genre metal", *MOODS)


def attributes(*windows: dict[str, float], seconds: tuple[float, ...] = ()) -> Attributes:
    rows = [[{"music": 1.0, **window}.get(name, 0.5) for name in NAMES] for window in windows]
    lengths = seconds or (10.0,) * len(windows)
    return Attributes(NAMES, np.asarray(rows), np.asarray(lengths))


@pytest.mark.parametrize(
    ("voices", "value", "confidence"),
    [
        ((0.9, 0.8), "vocal", 0.9),
        # A song with passages that are not sung; one window in eight may be a mistake.
        ((0.0, 0.9, 0.8, 0.0), "vocal", 0.85),
        ((0.05, 0.0, 0.1, 0.0), "instrumental", 0.925),
        ((0.3, 0.3), None, None),
        ((0.9, *(0.1,) * 7), None, None),
    ],
)
def test_a_voice_is_looked_for_where_it_is_likeliest(
    voices: tuple[float, ...], value: str | None, confidence: float | None
) -> None:
    found = told(attributes(*({"voice": chance} for chance in voices)))
    assert found.get("voice_heard") == value
    assert found.get("voice_heard_confidence") == confidence


def test_genres_and_moods_are_told_when_sure_the_likeliest_first() -> None:
    sure = {"group rock music": 0.9, "genre rock": 0.8, "genre metal": 0.7, "tense": 0.9}
    found = told(attributes({**sure, "calm": 1.0}, {**sure, "calm": 0.9, "epic": 0.99}))
    check_payload(found, {field.name: field for field in FIELDS}, where="here")
    assert found["genre_heard"] == ("rock", "metal")
    assert found["genre_heard_confidence"] == (0.9, 0.7)
    assert found["mood_heard"] == ("calm", "tense")
    assert found["mood_heard_confidence"] == (0.95, 0.9)
    unsure = {"group rock music": SURE.group - 0.01, "genre metal": SURE.genre - 0.01}
    assert told(attributes(unsure)) == {}
    # Short windows count less.
    uneven = attributes({"genre metal": 0.9}, {"genre metal": 0.0}, seconds=(10.0, 1.0))
    assert told(uneven)["genre_heard"] == ("metal",)


def test_what_is_no_music_has_a_voice_at_most() -> None:
    birds = {"music": 0.05, "voice": 0.0, "calm": 0.95, "genre metal": 0.9}
    assert told(attributes(birds)) == {}
    assert told(attributes({**birds, "voice": 1.0})) == {
        "voice_heard": "vocal",
        "voice_heard_confidence": 1.0,
    }


def test_other_weights_and_rules_are_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = [Heard("a").version, Heard("b").version]
    assert Heard("a").version == versions[0]
    monkeypatch.setattr("retrieval.describe.heard._RULES", 99)
    assert len({*versions, Heard("a").version}) == 3


@cache
def heard_in(name: str) -> dict[str, PayloadValue]:
    ear, path = load("ear"), AUDIO / f"{name}.ogg"
    facts = describe_file(path, [load_descriptor("heard")], [ear], limits=Limits())  # type: ignore[list-item]
    return {name: value for name, value in facts.payload.items() if "_heard" in name}


@pytest.mark.skipif(not AUDIO.is_dir(), reason="no recordings here")
def test_nothing_wrong_is_told_of_real_recordings() -> None:
    voices = {
        name: heard_in(name).get("voice_heard")
        for name in ("fishin", "speech", "trumpet", "vibeace", "nutcracker", "brahms")
    }
    assert voices.pop("fishin") in {"vocal", None}
    assert voices.pop("speech") == "vocal"
    assert voices.pop("trumpet") == "instrumental"
    assert set(voices.values()) <= {"instrumental", None}
    assert heard_in("robin") == heard_in("humpback") == {}
    assert set(heard_in("nutcracker").get("genre_heard", ())) <= {"classical", "fairy dance"}  # type: ignore[arg-type]
