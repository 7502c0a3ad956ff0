"""Songs, what is true of them, and what captions say."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.training.attributes import NAMES, PLACE, RULES, UNDECIDED, decide
from indexer.training.captions import Captioner, foreign
from indexer.training.compose import KINDS, SECONDS, compose
from indexer.training.grooves import DRUMS, grooves
from indexer.training.harmony import SCALES
from indexer.training.lexicon import LANGUAGES, lexicon
from indexer.training.palette import FAMILIES, TIMBRES
from indexer.training.truth import Truth, truth_of
from retrieval.encoders.ear_frontend import MEL_BANDS

MEL = np.full((MEL_BANDS, 20), 120, dtype=np.uint8)


def values(seed: int) -> np.ndarray:
    return decide(truth_of(compose(seed), "song", 4.0, 14.0, 1_000.0), MEL)


def test_grooves_are_of_one_piece() -> None:
    for name, groove in grooves().items():
        drums = [strokes for pattern in groove.drums for strokes in pattern.values()]
        for pattern in (*groove.chords, *(b for b in groove.bass if b), *drums):
            assert len(pattern) == groove.steps, (name, pattern)
        assert {drum for pattern in groove.drums for drum in pattern} <= DRUMS.keys()
        assert {*groove.comp, *groove.low, *groove.pads} <= TIMBRES.keys()
        assert set(groove.lead) <= set(FAMILIES)
        assert set(groove.modes) <= SCALES.keys()


def test_songs_are_the_same_for_a_seed_and_play_within_reach() -> None:
    kinds: Counter[str] = Counter()
    for seed in range(150):
        song = compose(seed)
        assert song == compose(seed)
        assert song != compose(seed + 1)
        assert song.seconds >= SECONDS
        assert song.voices
        kinds[song.kind] += 1
        for voice in song.voices:
            assert voice.line
            for note in voice.line:
                assert 0 <= note.start < note.end
                assert 1 <= note.velocity <= 127
            if voice.role == "melody":
                timbre = TIMBRES[voice.timbre]
                assert all(timbre.low <= note.pitch <= timbre.high for note in voice.line)
    assert set(kinds) == set(KINDS)


def test_truth_follows_from_the_notes() -> None:
    drums = next(compose(seed) for seed in range(200) if compose(seed).kind == "drums")
    told = truth_of(drums, "drums", 0.0, 10.0, 1_000.0)
    assert told.instruments == ("drums",)
    assert (told.density, told.tonic) == (0.0, None)
    assert told.strokes is not None
    assert told.strokes > 0.5
    decided = dict(zip(NAMES, decide(told, MEL), strict=True))
    assert (decided["drums"], decided["solo"], decided["family piano"]) == (1.0, 1.0, 0.0)
    assert decided["major"] == UNDECIDED
    assert Truth.from_dict(told.as_dict()) == told


def test_what_is_no_music_has_neither_tempo_nor_mood() -> None:
    decided = dict(zip(NAMES, decide(Truth("x", "sound", sounds=("speech",)), MEL), strict=True))
    assert (decided["music"], decided["voice"], decided["sound speech"]) == (0.0, 1.0, 1.0)
    assert (decided["drums"], decided["genre rock"], decided["sound rain"]) == (0.0, 0.0, 0.0)
    assert decided["calm"] == decided["slow"] == UNDECIDED


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5_000), st.integers(0, 2**32 - 1))
def test_captions_say_what_is_true_and_deny_what_is_not(song: int, seed: int) -> None:
    decided, rng = values(song), np.random.default_rng(seed)
    captioner = Captioner()
    for caption in (captioner.write(decided, rng), captioner.full(decided, rng)):
        assert caption.text.strip()
        assert all(decided[place] == 1.0 for place in caption.claimed)
        assert all(decided[place] == 0.0 for place in caption.denied)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_speaks_of_known_attributes(language: str) -> None:
    words = lexicon(language)
    assert words.forms.keys() <= RULES.keys()
    assert all("{}" in pattern for patterns in words.negation.values() for pattern in patterns)
    if language == "en":
        assert RULES.keys() <= words.forms.keys()
        return
    denials = 0
    for seed in range(40):
        decided = values(seed)
        caption = foreign(words, decided, np.random.default_rng(seed))
        assert all(decided[place] == 1.0 for place in caption.claimed)
        assert all(decided[place] == 0.0 for place in caption.denied)
        denials += len(caption.denied)
    assert denials > 3


def test_a_denied_thing_is_named_without_its_article() -> None:
    decided = np.zeros(len(NAMES), dtype=np.float32)
    decided[PLACE["music"]] = decided[PLACE["instrument piano"]] = 1.0
    rng, captioner = np.random.default_rng(3), Captioner()
    texts = [captioner.write(decided, rng) for _ in range(400)]
    denying = [caption.text.lower() for caption in texts if caption.denied]
    assert len(denying) > 20
    assert not any("without a " in text for text in denying)
