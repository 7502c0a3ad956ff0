"""The ear in NumPy: its pictures, its words, and the same numbers as where it is trained."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.encoders.ear_frontend import (
    MEL_BANDS,
    PITCH_LOW,
    PITCH_OCTAVES,
    PITCH_STEPS,
    SAMPLE_RATE,
    SECONDS,
    Heard,
    listen,
)
from retrieval.encoders.ear_tokens import BUCKETS, LONGEST, fnv1a, pieces, split, tokens
from tests import signals


def test_pictures_of_a_tone() -> None:
    heard = listen(signals.sine(261.63, SECONDS, SAMPLE_RATE))
    assert heard.mel.shape == (MEL_BANDS, 498)
    assert heard.pitch.shape == (PITCH_OCTAVES * PITCH_STEPS, 49)
    loudest = heard.pitch[:, 20].argmax() * 12 / PITCH_STEPS + PITCH_LOW
    assert loudest == 60


def test_level_changes_nothing_and_length_may_be_short() -> None:
    song = signals.song(1, 4.0, SAMPLE_RATE).mean(axis=1, dtype=np.float32)
    one, two = listen(song), listen(np.float32(0.05) * song)
    assert np.abs(one.mel.astype(int) - two.mel).max() <= 1
    assert np.abs(one.pitch.astype(int) - two.pitch).max() <= 1
    short = listen(song[:3_000])
    assert min(short.mel.shape[1], short.pitch.shape[1]) >= 1
    assert not listen(np.zeros(9_000, dtype=np.float32)).mel.any()


def test_words_of_several_scripts() -> None:
    assert split("Calm PIANO, déjà-vu 120 bpm!") == ["calm", "piano", "deja", "vu", "120", "bpm"]
    assert split("静かな曲") == ["静", "か", "な", "曲", "静か", "かな", "な曲"]
    assert split("धीमा संगीत") == ["धीमा", "संगीत"]
    assert split("!?") == []
    # Known by heart: a hash that changed would make every trained weight mean another word.
    assert pieces("no") == (7328, 4492, 3258)
    # Published with the hash: of 32 bits, of the letter a.
    assert fnv1a("a") == 0xE40C292C


@given(st.text(max_size=300))
def test_any_text_is_read_within_bounds(text: str) -> None:
    found = tokens(text, {"piano": 1})
    assert len(found) <= LONGEST
    for token in found:
        assert token.word in {0, 1}
        assert token.pieces
        assert all(0 <= bucket < BUCKETS for bucket in token.pieces)


def test_both_towers_give_what_they_give_where_they_are_trained() -> None:
    torch = pytest.importorskip("torch")
    from indexer.training.export import fold_audio, fold_text
    from indexer.training.model import AudioTower, TextTower
    from retrieval.encoders.ear_towers import EarAudio, EarText

    torch.manual_seed(0)
    audio, text = AudioTower((8, 16, 24, 32), 32).train(), TextTower(20, width=32)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        # So that normalisation has something to fold in.
        for _ in range(3):
            audio(torch.rand(4, 64, 120), torch.rand(4, 144, 12))
        text.denials.copy_(torch.randn_like(text.denials))
        audio.eval()
        text.eval()
        ours, words = EarAudio(fold_audio(audio.state_dict())), fold_text(text.state_dict())
        for frames, moments in ((498, 49), (160, 15), (17, 1)):
            mel = rng.integers(0, 256, (64, frames), dtype=np.uint8)
            pitch = rng.integers(0, 256, (144, moments), dtype=np.uint8)
            theirs = audio(*(torch.from_numpy(p[None]).float() / 255 for p in (mel, pitch)))
            found = ours(Heard(mel, pitch))
            mine = (found.meaning, found.identity, found.logits)
            for one, other in zip(mine, theirs, strict=True):
                assert np.abs(one - other[0].numpy()).max() < 1e-5
        vocabulary = {"piano": 1, "drums": 2}
        read = [tokens(one, vocabulary) for one in ("piano without drums", "ピアノ", "no")]
        together = text(read)[0].numpy()
        for tokens_, expected in zip(read, together, strict=True):
            assert np.abs(EarText(words)(tokens_) - expected).max() < 1e-5
    swapped = {**words, "out.weight": words["out.weight"][::-1].copy()}
    assert np.abs(EarText(swapped)(read[0]) - together[0]).max() > 1e-3
