"""Prompts and label vectors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retrieval.core.errors import InvalidInputError
from retrieval.core.spaces import Distance, EmbeddingSpace, Level, Modality
from retrieval.encoders.registry import load
from retrieval.encoders.zero_shot import (
    BACKGROUND,
    Label,
    background_vectors,
    can_tag,
    label_vectors,
    prompts,
)

SPACE = EmbeddingSpace(
    name="letters",
    dim=26,
    distance=Distance.COSINE,
    revision="letters-1",
    query_modalities=frozenset({Modality.TEXT, Modality.AUDIO}),
    levels=frozenset({Level.TRACK}),
)


class Letters:
    """A text to how often each letter occurs in it, times its length."""

    space = SPACE

    def __init__(self):
        self.batches = []

    def prepare_text(self, text):
        counts = np.array([text.lower().count(chr(97 + n)) for n in range(26)], dtype=np.float32)
        if not counts.any():
            raise InvalidInputError("no letters")
        return counts * len(text)

    def forward_text(self, batch):
        self.batches.append(len(batch))
        return list(batch)


def test_templates_follow_the_space_and_the_group():
    assert "This audio is a jazz song" in prompts("clap", Label("jazz"))
    assert "music with a calm mood" in prompts("clap", Label("calm", "mood"))
    assert prompts("clap", Label("calm", "moods")) == prompts("clap", Label("calm", "mood"))
    assert prompts("laion-clap", Label("jazz")) == prompts("clap", Label("jazz"))
    assert prompts("clap", Label("jazz", "genre")) == prompts("clap", Label("jazz"))
    assert "jazz" in prompts("clamp3", Label("jazz"))
    assert all("oboe" in text for text in prompts("another", Label("oboe", "instrument")))


def test_own_prompts_stand_alone_and_braces_mean_nothing():
    assert prompts("clap", Label("x", prompts=("one {}", "two"))) == ("one {}", "two")
    assert all("{0.__class__}" in text for text in prompts("clap", Label("{0.__class__}")))


def test_a_label_is_the_mean_direction_of_its_prompts():
    encoder = Letters()
    (found,) = label_vectors(encoder, [Label("x", prompts=("aaaaaaaaaa", "b"))])
    assert found[:3] == pytest.approx([0.5**0.5, 0.5**0.5, 0.0])


def test_each_text_is_encoded_once_and_in_batches():
    encoder = Letters()
    labels = [Label(f"{n}", prompts=("same", f"own {'a' * n}")) for n in range(150)]
    found = label_vectors(encoder, labels)
    assert found.shape == (150, 26)
    assert sum(encoder.batches) == 151
    assert max(encoder.batches) <= 64
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(150))


def test_the_background_is_put_into_the_same_sentences():
    found = background_vectors(Letters())
    assert found.shape == (len(BACKGROUND), 26)
    assert np.array_equal(found[0], label_vectors(Letters(), [Label(BACKGROUND[0])])[0])


def test_a_prompt_that_says_nothing_names_its_label():
    with pytest.raises(InvalidInputError, match=r"'calm'.*'123'") as caught:
        label_vectors(Letters(), [Label("calm", prompts=("123",))])
    assert caught.value.reason == "INVALID_LABELS"


def test_which_spaces_compare_words_with_sound():
    assert can_tag(SPACE)
    assert not can_tag(load("perceptual").space)
    assert not can_tag(load("lexical").space)
    assert not can_tag(replace(SPACE, query_modalities=frozenset({Modality.AUDIO})))
    assert not can_tag(replace(SPACE, levels=frozenset({Level.SEGMENT})))
