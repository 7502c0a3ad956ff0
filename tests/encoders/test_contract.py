"""One suite over every registered encoder: what the protocol promises, each of them keeps."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.payload import STANDARD_FIELDS, Payload
from retrieval.core.spaces import Distance, Level, Modality, SparseVector, Vector, check_vector
from retrieval.encoders.protocol import (
    AudioEncoder,
    Encoder,
    HasReference,
    TextEncoder,
    WholeTrackEncoder,
    WordsEncoder,
)
from retrieval.encoders.registry import EncoderDescription, descriptions, load
from tests import signals
from tests.signals import Samples

DESCRIPTIONS = descriptions()
COSINE = 0.9999


def loaded(description: EncoderDescription) -> Encoder:
    try:
        return load(description.name)
    except PreconditionError as error:
        pytest.skip(error.message)


def of(modality: Modality) -> Any:
    chosen = [d for d in DESCRIPTIONS if modality in d.modalities]
    return pytest.mark.parametrize("description", chosen, ids=lambda d: d.name)


every = pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda d: d.name)


def windows(encoder: AudioEncoder) -> list[Samples]:
    """Sixteen windows of every kind: full and short, loud and quiet, tonal and noisy."""
    rate, length = encoder.sample_rate, encoder.windowing.length
    full = [signals.song(seed, length, rate).mean(axis=1, dtype=np.float32) for seed in range(6)]
    return [
        *full,
        signals.noise(length, rate),
        signals.noise(length, rate, level=0.001, band=(100.0, 900.0)),
        signals.sine(440.0, length, rate),
        signals.glide(200.0, 900.0, length, rate),
        signals.clicks(132.0, length, rate),
        signals.chords([60, 65, 67], minor=True, rate=rate),
        full[0][: rate * 2],
        full[1][: rate // 2],
        signals.noise(0.1, rate),
        np.concatenate([np.zeros(rate, np.float32), full[2][: rate * 2]]),
    ]


def forward(encoder: AudioEncoder, sounds: list[Samples], size: int) -> np.ndarray:
    prepared = [encoder.prepare_audio(sound) for sound in sounds]
    batches = [prepared[start : start + size] for start in range(0, len(prepared), size)]
    return np.concatenate([encoder.forward_audio(batch) for batch in batches])


def close(first: np.ndarray, second: np.ndarray) -> bool:
    """Nearly the same direction, and the same size."""
    norms = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    cosine = np.sum(first * second, axis=-1) / np.maximum(norms, 1e-12)
    return bool(np.all(cosine >= COSINE)) and np.allclose(first, second, rtol=1e-3, atol=1e-3)


@every
def test_descriptions_tell_the_truth(description: EncoderDescription) -> None:
    encoder = loaded(description)
    assert encoder.space.name == description.name
    assert description.summary
    found = {
        modality
        for modality, protocol in (
            (Modality.AUDIO, AudioEncoder),
            (Modality.TEXT, TextEncoder),
            (Modality.WORDS, WordsEncoder),
        )
        if isinstance(encoder, protocol)
    }
    assert found == description.modalities
    assert encoder.space.query_modalities == found - {Modality.WORDS}


@every
def test_space_is_sound(description: EncoderDescription) -> None:
    encoder = loaded(description)
    space = encoder.space
    assert space.revision
    assert Level.TRACK in space.levels
    if Level.SEGMENT in space.levels:
        assert isinstance(encoder, AudioEncoder)
    assert (space.distance is Distance.WEIGHTED_EUCLIDEAN) == isinstance(encoder, HasReference)


@every
def test_revision_survives_a_restart(description: EncoderDescription) -> None:
    space = loaded(description).space
    script = (
        "from retrieval.encoders.registry import load;"
        f"print(load({description.name!r}).space.revision)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "SEGUE_DATA_DIR": os.environ["SEGUE_DATA_DIR"]},
    )
    assert result.stdout.strip() == space.revision


@every
def test_encoders_cross_processes(description: EncoderDescription) -> None:
    encoder = loaded(description)
    copy = pickle.loads(pickle.dumps(encoder))  # noqa: S301 - our own bytes
    assert copy.space == encoder.space


@of(Modality.AUDIO)
def test_audio_vectors_can_be_stored(description: EncoderDescription) -> None:
    encoder = loaded(description)
    assert isinstance(encoder, AudioEncoder)
    sounds = windows(encoder)
    vectors = forward(encoder, sounds, 16)
    assert vectors.shape == (len(sounds), encoder.space.dim)
    assert vectors.dtype == np.float32
    for vector in vectors:
        check_vector(encoder.space, vector, where="test")


@of(Modality.AUDIO)
def test_batches_and_neighbours_change_nothing(description: EncoderDescription) -> None:
    encoder = loaded(description)
    assert isinstance(encoder, AudioEncoder)
    sounds = windows(encoder)
    alone = forward(encoder, sounds, 1)
    for size in (3, 16):
        assert close(forward(encoder, sounds, size), alone)
    assert close(forward(encoder, sounds[::-1], 16)[::-1], alone)
    assert close(forward(encoder, sounds, 16), alone)


@of(Modality.AUDIO)
def test_prepared_windows_cross_processes(description: EncoderDescription) -> None:
    encoder = loaded(description)
    assert isinstance(encoder, AudioEncoder)
    prepared = encoder.prepare_audio(windows(encoder)[0])
    copy = pickle.loads(pickle.dumps(prepared))  # noqa: S301 - our own bytes
    assert close(encoder.forward_audio([copy]), encoder.forward_audio([prepared]))


@of(Modality.AUDIO)
def test_preparing_leaves_the_sound_alone(description: EncoderDescription) -> None:
    encoder = loaded(description)
    assert isinstance(encoder, AudioEncoder)
    sound = windows(encoder)[0]
    before = sound.copy()
    sound.flags.writeable = False
    encoder.prepare_audio(sound)
    assert np.array_equal(sound, before)


@of(Modality.AUDIO)
def test_different_sounds_have_different_vectors(description: EncoderDescription) -> None:
    encoder = loaded(description)
    assert isinstance(encoder, AudioEncoder)
    vectors = forward(encoder, windows(encoder), 16)
    for index, vector in enumerate(vectors):
        others = np.delete(vectors, index, axis=0)
        assert np.abs(others - vector).max(axis=1).min() > 1e-3


@of(Modality.AUDIO)
def test_pool(description: EncoderDescription) -> None:
    encoder = loaded(description)
    assert isinstance(encoder, AudioEncoder)
    vectors = forward(encoder, windows(encoder)[:4], 4)
    one = encoder.pool(vectors[:1], np.array([7.0]))
    assert one.shape == (encoder.space.dim,)
    assert one.dtype == np.float32
    check_vector(encoder.space, one, where="test")
    if isinstance(encoder, WholeTrackEncoder):
        return  # Its rows are a sequence.
    # The order of windows does not matter, their length does.
    lengths = np.array([10.0, 10.0, 10.0, 3.0])
    pooled = encoder.pool(vectors, lengths)
    assert close(encoder.pool(vectors[::-1], lengths[::-1]), pooled)
    assert close(encoder.pool(np.repeat(vectors[:1], 3, axis=0), np.array([1.0, 5, 9])), one)
    mostly_first = encoder.pool(vectors, np.array([1e6, 1.0, 1.0, 1.0]))
    assert np.linalg.norm(mostly_first - one) < np.linalg.norm(pooled - one)


@of(Modality.AUDIO)
@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 30_000),
    kind=st.sampled_from(["noise", "impulse", "constant", "step", "tiny", "huge", "nyquist"]),
    seed=st.integers(0, 100),
)
def test_any_finite_sound_gives_a_finite_vector(
    description: EncoderDescription, count: int, kind: str, seed: int
) -> None:
    encoder = loaded(description)
    assert isinstance(encoder, AudioEncoder)
    rng = np.random.default_rng(seed)
    sound = rng.normal(0.0, 0.1, count).astype(np.float32)
    match kind:
        case "impulse":
            sound[:] = 0.0
            sound[seed % count] = 1.0
        case "constant":
            sound[:] = 0.5
        case "step":
            sound[:] = np.arange(count) > count // 2
        case "tiny":
            sound *= 1e-30
        case "huge":
            sound *= 1e6
        case "nyquist":
            sound[:] = 0.5 * (-1.0) ** np.arange(count)
    vector = encoder.forward_audio([encoder.prepare_audio(sound)])
    assert vector.shape == (1, encoder.space.dim)
    assert np.isfinite(vector).all()


@of(Modality.AUDIO)
def test_statistics_to_start_with(description: EncoderDescription) -> None:
    encoder = loaded(description)
    if not isinstance(encoder, HasReference):
        pytest.skip("keeps no statistics")
    space = encoder.space
    assert len(encoder.reference.mean) == len(encoder.reference.std) == space.dim
    assert all(std > 0 for std in encoder.reference.std)
    assert encoder.reference.count == 0
    assert space.anchor is not None
    # The anchor must bring real values near one: float32 squares are stored.
    scaled = (np.array(encoder.reference.mean) - space.anchor.centre) / space.anchor.scale
    assert np.abs(scaled).max() < 1.0
    assert np.all(np.array(encoder.reference.std) / space.anchor.scale < 3.0)
    fields = {field.name for field in STANDARD_FIELDS}
    values = encoder.payload(np.array(encoder.reference.mean, dtype=np.float32))
    assert set(values) == set(space.dims) <= fields
    assert all(type(value) is float for value in values.values())


def same(first: Vector, second: Vector) -> bool:
    if isinstance(first, SparseVector) and isinstance(second, SparseVector):
        return np.array_equal(first.indices, second.indices) and np.allclose(
            first.values, second.values
        )
    assert isinstance(first, np.ndarray)
    assert isinstance(second, np.ndarray)
    return close(first, second)


TEXTS = ["calm piano", "The Who", "東京 drums", "fast", "l'amour est bleu", "99 problems", "x"]


@of(Modality.TEXT)
def test_text_vectors_do_not_depend_on_their_batch(description: EncoderDescription) -> None:
    encoder = loaded(description)
    assert isinstance(encoder, TextEncoder)
    prepared = []
    for text in TEXTS:
        with suppress(InvalidInputError):  # what says nothing in this space
            prepared.append(encoder.prepare_text(text))
    together = list(encoder.forward_text(prepared))
    assert len(together) == len(prepared) > len(TEXTS) / 2
    for item, vector in zip(prepared, together, strict=True):
        check_vector(encoder.space, vector, where="text")
        assert same(encoder.forward_text([item])[0], vector)
        assert len(vector) > 0


@of(Modality.TEXT)
@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=200))
def test_any_text_is_a_vector_or_a_clear_refusal(
    description: EncoderDescription, text: str
) -> None:
    encoder = loaded(description)
    assert isinstance(encoder, TextEncoder)
    try:
        vector = encoder.forward_text([encoder.prepare_text(text)])[0]
    except InvalidInputError as error:
        assert error.message
    else:
        check_vector(encoder.space, vector, where="text")


@of(Modality.WORDS)
@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"title": ""},
        {"title": "A Song", "artist": "Somebody", "genre": ("rock", "folk"), "year": 1999},
        {"paths": ("/music/x.flac",), "folder": "music", "bpm": 120.0},
    ],
)
def test_words_of_any_payload(description: EncoderDescription, payload: Payload) -> None:
    encoder = loaded(description)
    assert isinstance(encoder, WordsEncoder)
    vector = encoder.encode_words(payload)
    check_vector(encoder.space, vector, where="words")
    assert same(encoder.encode_words(dict(payload)), vector)
