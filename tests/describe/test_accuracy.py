"""How right tempo, beats, key and chords are: on rendered songs, and on real recordings."""

from pathlib import Path

import pytest

from indexer.training.songs import SETS, composed, heard, own
from retrieval.audio import open_audio
from retrieval.core.payload import PayloadValue
from retrieval.describe.intake import hear
from retrieval.describe.registry import load
from tests.bench.describe_accuracy import SONGS, accuracy

AUDIO = Path(__file__).parents[3] / "shared" / "audio"


def test_a_few_songs_of_our_own_synthesiser() -> None:
    found = accuracy((heard(song), song.truth) for song in own(composed(1_000_000, 6)))
    assert found is not None
    assert found.key >= 0.8 and found.key_sure == 1.0
    assert found.acc1 >= 0.6 and found.acc2 >= 0.8
    assert found.beats >= 0.7 and found.chords >= 0.75


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("name", SETS)
def test_what_is_promised_of_rendered_songs(name: str) -> None:
    found = accuracy((heard(song), song.truth) for song in SETS[name](SONGS))
    if found is None:
        pytest.skip("FluidSynth or its soundfonts are not installed")
    assert min(found.counts[:3]) >= 60
    assert found.key >= 0.88 and found.key_sure >= 0.97
    assert found.acc1 >= 0.75 and found.acc2 >= 0.93
    assert found.beats >= 0.85 and found.chords >= 0.85


def told(name: str) -> dict[str, PayloadValue]:
    with open_audio(AUDIO / f"{name}.ogg") as reader:
        sound = hear(reader)
    found = [load(one).describe(sound).scalars for one in ("rhythm", "key", "chords")]
    return {field: value for scalars in found for field, value in scalars.items()}


@pytest.mark.skipif(not AUDIO.is_dir(), reason="no recordings here")
def test_real_recordings_are_what_musicians_say() -> None:
    fairy, fishing = told("nutcracker"), told("fishin")
    assert fairy["key_measured"] == "E minor" and 108 <= fairy["bpm_measured"] <= 111  # type: ignore[operator]
    assert fishing["key_measured"] == "Bb major"
    assert fishing["bpm_measured"] == pytest.approx(88, abs=1.5)
    assert set(fishing["degrees"]) >= {"I", "IV", "V"}  # type: ignore[arg-type]
    vibe, brahms = told("vibeace"), told("brahms")
    assert vibe["bpm_measured"] == pytest.approx(130, abs=1.5)
    assert vibe["key_confidence"] < 0.65 < fairy["key_confidence"]  # type: ignore[operator]
    assert brahms["key_measured"] == "G minor"


@pytest.mark.skipif(not AUDIO.is_dir(), reason="no recordings here")
@pytest.mark.parametrize("name", ["trumpet", "speech", "humpback", "robin"])
def test_nothing_sure_is_said_of_what_is_short_or_no_music(name: str) -> None:
    found = told(name)
    assert found.get("key_confidence", 0.0) < 0.5  # type: ignore[operator]
    assert found.get("bpm_confidence", 0.0) < 0.5  # type: ignore[operator]
