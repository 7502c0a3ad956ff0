"""Beat This! beside the package itself, on checkpoints with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from indexer.extractors.beat_this import RATE, BeatThisTracker, pick_beats  # noqa: E402
from tests.comparing import farthest, report  # noqa: E402
from tests.extractors.originals import sounds, together  # noqa: E402
from tests.signals import song  # noqa: E402

pytestmark = together
SAME = 5e-6
MOVED = 1e-3
SIZES = {
    # As published: of "small0" and of "final0".
    "small": {"transformer_dim": 128},
    "final": {},
}


def checkpoint(path: Path, size: str, seed: int = 0, level: tuple[float, float] = (0, 0)) -> Path:
    """As a training saves it, with logits lowered by some level."""
    from beat_this.model.beat_tracker import BeatThis

    torch.manual_seed(seed)
    model = BeatThis(**SIZES[size])
    heads = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 2]
    with torch.no_grad():
        # They give logits of a downbeat, and of a beat that is none.
        heads[-1].weight.mul_(5)
        heads[-1].bias.sub_(torch.tensor([level[0] - level[1], level[1]]))
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"hyper_parameters": SIZES[size] | {"lr": 8e-4}, "state_dict": state}, path)
    return path


def theirs(path: Path, sound: np.ndarray) -> np.ndarray:
    from beat_this.inference import Audio2Frames

    beat, downbeat = Audio2Frames(str(path))(sound.astype(np.float64), RATE)
    return np.stack([beat.numpy(), downbeat.numpy()], axis=1)


def chance(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits.astype(np.float64)))


@pytest.mark.parametrize("size", SIZES)
def test_activations(size: str, tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.ckpt", size)
    tracker = BeatThisTracker(path, device="cpu")
    other = checkpoint(tmp_path / "b.ckpt", size, seed=1)
    for kind, sound in sounds(RATE).items():
        found, _ = tracker.extract(sound)
        right, wrong = (farthest(found, chance(theirs(p, sound))) for p in (path, other))
        report(f"beat-this {size} {kind}", right=right, wrong=wrong)
        assert right <= SAME and wrong >= MOVED


def test_pieces_and_beats(tmp_path: Path) -> None:
    """Longer than the 30 s that go through at once, with a random network's many beats."""
    from beat_this.inference import Audio2Beats

    sound = song(4, 65.3, RATE).mean(axis=1, dtype=np.float32)
    middle = np.median(theirs(checkpoint(tmp_path / "a.ckpt", "small"), sound), axis=0)
    path = checkpoint(tmp_path / "b.ckpt", "small", level=(middle[0], middle[1]))
    logits = theirs(path, sound)
    activations, track = BeatThisTracker(path, device="cpu").extract(sound)
    distance = farthest(activations, chance(logits))
    report("beat-this in pieces", distance=distance)
    assert distance <= SAME
    beats, downbeats = Audio2Beats(str(path))(sound.astype(np.float64), RATE)
    assert len(beats) > 50 and len(downbeats) > 10
    assert np.array_equal(track.times, beats) and np.array_equal(track.downbeats, downbeats)


@pytest.mark.parametrize("seed", range(20))
def test_beats_of_any_scores(seed: int) -> None:
    from beat_this.model.postprocessor import Postprocessor

    rng = np.random.default_rng(seed)
    # Rounded, so that neighbours are equal now and then.
    logits = np.round(rng.normal(-1, 2, (700, 2)), 1 + seed % 2).astype(np.float32)
    columns: list[Any] = [torch.from_numpy(logits[:, column]) for column in range(2)]
    for found, expected in zip(pick_beats(logits), Postprocessor()(*columns), strict=True):
        assert np.allclose(found, expected, atol=1e-9, rtol=0)
