"""The file that ships: as good as the checkpoint, small enough, and calibrated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from indexer.training import export  # noqa: E402
from indexer.training.attributes import NAMES  # noqa: E402
from indexer.training.model import AudioTower, TextTower  # noqa: E402
from retrieval.encoders.ear import EarEncoder  # noqa: E402
from retrieval.encoders.ear_frontend import SAMPLE_RATE, listen  # noqa: E402
from retrieval.encoders.ear_tokens import tokens  # noqa: E402
from retrieval.encoders.ear_towers import EarAudio, EarText  # noqa: E402
from retrieval.encoders.ear_weights import Calibration, EarWeights  # noqa: E402
from tests import signals  # noqa: E402

WORDS = {"drums": 2, "piano": 1, "without": 3}
AS_THEY_ARE = Calibration(
    np.ones(len(NAMES), dtype=np.float32), np.zeros(len(NAMES), dtype=np.float32)
)


@pytest.fixture
def checkpoint() -> dict[str, Any]:
    torch.manual_seed(0)
    audio, text = AudioTower((8, 16, 24, 32), 32).eval(), TextTower(len(WORDS) + 1, width=32)
    return {"audio": audio.state_dict(), "text": text.state_dict(), "words": WORDS}


def test_what_is_written_is_what_was_trained(tmp_path: Path, checkpoint: dict[str, Any]) -> None:
    path = tmp_path / "ear.safetensors"
    assert export.write(path, checkpoint, AS_THEY_ARE) > export.NEAREST
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    weights, ear = EarWeights(path), EarEncoder(path)
    assert weights.words == WORDS
    assert weights.attributes == NAMES
    audio = EarAudio(export.fold_audio(checkpoint["audio"]))
    text = EarText(export.fold_text(checkpoint["text"]))
    sound = signals.noise(2.0, SAMPLE_RATE)
    found, wanted = ear.prepare_audio(sound), audio(listen(sound))
    assert np.abs(found.meaning - wanted.meaning).max() < 5e-3
    assert np.abs(found.logits - wanted.logits).max() < 5e-3
    (read,) = ear.forward_text([ear.prepare_text("piano without drums")])
    same = text(tokens("piano without drums", WORDS))
    assert np.abs(read[: weights.meaning] - same).max() < 5e-3


def test_every_change_is_another_revision(tmp_path: Path, checkpoint: dict[str, Any]) -> None:
    revisions = set()

    def keep(calibration: Calibration = AS_THEY_ARE) -> None:
        export.write(tmp_path / "ear.safetensors", checkpoint, calibration)
        revisions.add(EarEncoder(tmp_path / "ear.safetensors").space.revision)

    keep()
    keep()
    assert len(revisions) == 1
    keep(Calibration(AS_THEY_ARE.scale, AS_THEY_ARE.bias + np.float32(1e-3)))
    checkpoint["text"]["out.bias"] = checkpoint["text"]["out.bias"] + 0.01
    keep()
    checkpoint["words"] = {"drums": 1, "piano": 2, "without": 3}
    keep()
    assert len(revisions) == 4


def test_what_must_not_ship_is_not_written(
    tmp_path: Path, checkpoint: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ear.safetensors"
    other = {**checkpoint, "audio": dict(checkpoint["audio"])}
    other["audio"]["attributes.bias"] = torch.zeros(3)
    with pytest.raises(ValueError, match="3 attributes"):
        export.write(path, other, AS_THEY_ARE)
    # Beyond what sixteen bits hold.
    other["audio"] = {**checkpoint["audio"]}
    other["audio"]["meaning.weight"] = checkpoint["audio"]["meaning.weight"] * 1e7
    with np.errstate(all="ignore"), pytest.raises(ValueError, match="single precision"):
        export.write(path, other, AS_THEY_ARE)
    monkeypatch.setattr(export, "LARGEST", 1_000)
    with pytest.raises(ValueError, match="at most 1000"):
        export.write(path, checkpoint, AS_THEY_ARE)
    assert list(tmp_path.iterdir()) == []


def test_calibration_finds_what_the_logits_mean() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0.0, 3.0, (8_000, 3)).astype(np.float32)
    values = np.full(logits.shape, 0.5, dtype=np.float32)
    chance = 1.0 / (1.0 + np.exp(-(0.5 * logits[:, 0] - 1.0)))
    values[:, 0] = rng.random(len(logits)) < chance
    values[:4, 1] = 1.0
    values[4:400, 1] = 0.0
    values[:500, 2] = logits[:500, 2] > 0
    found = export.calibrate(logits, values)
    assert found.scale[0] == pytest.approx(0.5, abs=0.05)
    assert found.bias[0] == pytest.approx(-1.0, abs=0.1)
    assert (found.scale[1], found.bias[1]) == (1.0, 0.0)  # too few to say
    assert 1.0 < found.scale[2] < 100.0  # told apart without a fault, and still finite
