"""Voice, genres and moods: what is sure is told, what is not is left out, and no birds are calm."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from indexer.describe_file import describe_file
from indexer.training.evaluate import hear
from indexer.training.hearing import measure, songs
from indexer.training.shards import Shard
from retrieval.audio import Limits
from retrieval.core.payload import PayloadValue, check_payload
from retrieval.describe.heard import FIELDS, MOODS, SURE, Heard, told
from retrieval.describe.protocol import Attributes
from retrieval.describe.registry import load as load_descriptor
from retrieval.encoders.ear_towers import EarAudio
from retrieval.encoders.ear_weights import EarWeights
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
    assert heard_in("speech")["voice_heard"] == "vocal"
    assert heard_in("trumpet").get("voice_heard") in {"instrumental", None}
    assert heard_in("fishin").get("voice_heard") in {"vocal", None}, "someone sings"
    assert heard_in("robin") == heard_in("humpback") == {}


@pytest.mark.slow
@pytest.mark.skipif(not AUDIO.is_dir(), reason="no recordings here")
@pytest.mark.parametrize(
    ("name", "genres", "moods"),
    [
        ("vibeace", {"jazz", "bossa nova", "latin"}, {"energetic", "groovy", "happy"}),
        ("nutcracker", {"classical", "film", "fairy dance"}, {"tense", "delicate", "dreamy"}),
        ("brahms", {"classical", "string orchestra"}, {"energetic", "tense", "epic"}),
    ],
)
def test_nor_of_longer_ones(name: str, genres: set[str], moods: set[str]) -> None:
    found = heard_in(name)
    assert found.get("voice_heard") in {"instrumental", None}
    for field, possible in (("genre_heard", genres), ("mood_heard", moods)):
        assert set(found.get(field, ())) <= possible  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("split", ["test", "foreign"])
def test_what_is_promised_of_rendered_songs(split: str) -> None:
    pytest.importorskip("fluidsynth")
    from indexer.training.dataset import SPLITS, windows
    from indexer.training.render import FOLDER

    if not all((FOLDER / font).is_file() for font in SPLITS[split].fonts):
        pytest.skip("its soundfonts are not installed")
    ear = EarWeights()
    # Shards that thresholds were not found on.
    found = [one for number in (90, 91) for one in windows(SPLITS[split], number)]
    truths = tuple(truth for _, truth in found)
    shard = Shard(
        np.stack([one.mel for one, _ in found]), np.stack([one.pitch for one, _ in found]), truths
    )
    told = measure(songs(hear([shard], EarAudio(ear.audio())), ear.calibration()))
    assert told["songs"] > 190
    for field in ("genre_heard", "mood_heard"):
        assert told[f"{field} precision"] >= 0.9 and told[f"{field} area"] >= 0.95
        assert told[f"{field} recall"] >= 0.5
    assert told["voice area"] >= 0.9
    assert min(told["vocal precision"], told["instrumental precision"]) >= 0.85
    assert told["vocal precision, half sing"] >= 0.9
