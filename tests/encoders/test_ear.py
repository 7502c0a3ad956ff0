"""The ear that ships: its file, its space, and that it hears and reads something at all.

What a training makes better or worse is measured by ``indexer.training evaluate``. Here stands only
what any training worth shipping passes, by the bounds below.
"""

from __future__ import annotations

import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open

from indexer.synth.catalogue import Piece, catalogue
from indexer.synth.files import encode
from indexer.synth.rendering import render
from retrieval.audio import Resampler, open_audio, to_mono
from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.encoders.ear import EarEncoder
from retrieval.encoders.ear_frontend import SAMPLE_RATE, SECONDS
from retrieval.encoders.ear_tokens import BUCKETS, LONGEST, Vocabulary
from retrieval.encoders.ear_towers import Impression
from retrieval.encoders.ear_weights import FILE, EarWeights
from retrieval.encoders.registry import load
from retrieval.encoders.zero_shot import Label, background_vectors, can_tag, label_vectors
from tests import signals

Vectors = NDArray[np.float32]

RATE = 44_100
"""Of the catalogue's pieces."""

# Bounds of any training worth shipping.
DRUMS_BY_WORDS = 0.75
"""Share of pairs of pieces, one with drums and one without, that "drums" puts in this order."""
DRUMS_BY_HEAD = 0.75
"""The same by the probability of the attribute."""
SAME_AFTER_CODEC = 0.9
"""Cosine of a piece and its copy as an MP3, at another level."""


@pytest.fixture(scope="module")
def ear() -> EarEncoder:
    encoder = load("ear")
    assert isinstance(encoder, EarEncoder)
    return encoder


@pytest.fixture(scope="module")
def pieces() -> tuple[Piece, ...]:
    return tuple(piece for piece in catalogue() if piece.sample_rate == RATE)[::4]


@pytest.fixture(scope="module")
def sounds(pieces: tuple[Piece, ...]) -> list[Vectors]:
    return [render(piece.score, piece.sample_rate, piece.seed) for piece in pieces]


@pytest.fixture(scope="module")
def heard(ear: EarEncoder, sounds: list[Vectors]) -> list[Impression]:
    """The first ten seconds of one piece in each style."""
    return [ear.prepare_audio(window(sound)) for sound in sounds]


def window(sound: Vectors, rate: int = RATE) -> Vectors:
    mono = Resampler(rate, SAMPLE_RATE).push(to_mono(sound), last=True)
    return mono[: int(SECONDS * SAMPLE_RATE)]


def read(ear: EarEncoder, text: str) -> Vectors:
    (vector,) = ear.forward_text([ear.prepare_text(text)])
    return vector


def in_order(scores: Vectors, truth: list[bool]) -> float:
    """Share of pairs, one true and one false, whose true one has the higher score."""
    true = scores[np.array(truth)]
    false = scores[~np.array(truth)]
    return float(np.mean([one > other for one, other in product(true, false)]))


def test_the_file_is_whole_and_small_enough_to_ship() -> None:
    assert FILE.stat().st_size <= 12_000_000
    assert FILE.stat().st_mode & 0o444 == 0o444
    weights = EarWeights()
    assert len(set(weights.attributes)) == len(weights.attributes)
    assert {"drums", "music", "voice", "major", "minor", "fast", "slow"} <= set(weights.attributes)
    assert {"piano", "drums", "without", "no"} <= weights.words.keys()
    audio, text, calibration = weights.audio(), weights.text(), weights.calibration()
    assert len(audio["attributes.bias"]) == len(weights.attributes)
    assert calibration.scale.shape == calibration.bias.shape == (len(weights.attributes),)
    assert len(text["out.bias"]) == weights.meaning
    # Row 0 stands for every word that was not learnt.
    assert len(text["words.weight"]) == len(weights.words) + 1
    assert (len(text["pieces.weight"]), len(text["places"])) == (BUCKETS, LONGEST)
    assert all(np.isfinite(value).all() for part in (audio, text) for value in part.values())


def test_the_digest_is_that_of_what_is_in_the_file() -> None:
    pytest.importorskip("torch")
    from indexer.training.export import digest

    with safe_open(FILE, framework="np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        told = file.metadata()
    assert digest(tensors, told) == told["digest"]
    assert told["digest"] in load("ear").space.revision


def test_the_space(ear: EarEncoder, heard: list[Impression]) -> None:
    weights = EarWeights()
    assert ear.space.dim == weights.meaning + weights.identity
    vectors = ear.forward_audio(heard)
    halves = np.split(vectors, [weights.meaning], axis=1)
    assert all(np.allclose(np.linalg.norm(half, axis=1) ** 2, 0.5, atol=1e-5) for half in halves)
    text = read(ear, "calm piano")
    assert np.linalg.norm(text) == pytest.approx(1.0, abs=1e-5)
    assert not text[weights.meaning :].any()
    pooled = ear.pool(vectors[:3], np.array([10.0, 10.0, 4.0]))
    halves = np.split(pooled, [weights.meaning])
    assert [float(half @ half) for half in halves] == pytest.approx([0.5, 0.5], abs=1e-5)
    assert can_tag(ear.space)


def test_level_changes_nothing(ear: EarEncoder) -> None:
    sound = signals.song(3, SECONDS, SAMPLE_RATE).mean(axis=1, dtype=np.float32)
    one, two = ear.forward_audio([ear.prepare_audio(x) for x in (sound, np.float32(0.02) * sound)])
    assert float(one @ two) > 0.999


def test_words_find_what_they_say(
    ear: EarEncoder, pieces: tuple[Piece, ...], heard: list[Impression]
) -> None:
    truth = [piece.truth.drums for piece in pieces]
    scores = ear.forward_audio(heard) @ read(ear, "drums")
    assert in_order(scores, truth) >= DRUMS_BY_WORDS
    chances = np.array([ear.probabilities([one])["drums"] for one in heard])
    assert in_order(chances, truth) >= DRUMS_BY_HEAD


def test_a_copy_is_known_again(
    ear: EarEncoder, sounds: list[Vectors], heard: list[Impression]
) -> None:
    vectors = ear.forward_audio(heard)
    for place in (0, 3, 7):
        with open_audio(encode(0.4 * sounds[place], RATE, "mp3")) as reader:
            copy, rate = np.concatenate(list(reader.blocks())), reader.sample_rate
        (vector,) = ear.forward_audio([ear.prepare_audio(window(copy, rate))])
        similar = vectors @ vector
        assert int(similar.argmax()) == place
        assert similar[place] > SAME_AFTER_CODEC


def test_probabilities_of_a_window_and_of_a_track(ear: EarEncoder, heard: list[Impression]) -> None:
    one, two = (ear.probabilities([impression]) for impression in heard[:2])
    both = ear.probabilities(heard[:2])
    longer = ear.probabilities(heard[:2], durations=[30.0, 10.0])
    assert tuple(both) == ear.attributes
    for name, value in both.items():
        assert type(value) is float
        assert 0.0 <= value <= 1.0
        assert value == pytest.approx((one[name] + two[name]) / 2)
        assert longer[name] == pytest.approx(0.75 * one[name] + 0.25 * two[name])


def test_names_say_nothing_and_relatives_of_known_words_do(ear: EarEncoder) -> None:
    for name in ("Coltrane", "Nutcracker", "東京事変", "?!"):
        with pytest.raises(InvalidInputError, match="ear"):
            ear.prepare_text(name)
    trumpet = ear.prepare_text("trumpet")
    assert ear.prepare_text("Coltrane: Nutcracker (trumpet)") == trumpet
    vocabulary = Vocabulary({"saxophone": 1, "accordion": 2})
    assert [token.word for token in vocabulary.read("saxophones accordions Davis")] == [0, 0]
    assert [token.word for token in vocabulary.read("SAXOPHONE")] == [1]


def test_labels_can_be_measured(ear: EarEncoder) -> None:
    labels = [Label("drums", "instrument"), Label("calm", "mood"), Label("piano")]
    vectors = label_vectors(ear, labels)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    background = background_vectors(ear)
    assert background.shape[1] == ear.space.dim
    assert len(background) > 12
    with pytest.raises(InvalidInputError, match="Coltrane"):
        label_vectors(ear, [Label("Coltrane")])


def test_each_tower_is_read_when_it_is_needed_and_nothing_heavy_ever() -> None:
    script = (
        "import sys\n"
        "import numpy as np\n"
        "from retrieval.encoders import ear_weights\n"
        "from retrieval.encoders.registry import load\n"
        "parts = []\n"
        "whole = ear_weights.EarWeights._part\n"
        "def told(self, prefix): parts.append(prefix); return whole(self, prefix)\n"
        "ear_weights.EarWeights._part = told\n"
        "ear = load('ear')\n"
        "assert parts == [], parts\n"
        "ear.forward_text([ear.prepare_text('calm piano')])\n"
        "assert parts == ['text.'], parts\n"
        "ear.prepare_audio(np.ones(22_050, dtype=np.float32))\n"
        "assert parts == ['text.', 'audio.'], parts\n"
        "heavy = {'torch', 'av', 'soundfile', 'soxr', 'qdrant_edge', 'onnxruntime'}\n"
        "assert not heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("content", [None, b"", b"no weights at all", FILE.read_bytes()[:5_000]])
def test_a_damaged_install_says_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ear.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PreconditionError, match="install Segue again") as caught:
        EarEncoder(path)
    assert caught.value.reason == "MODEL_INVALID"
