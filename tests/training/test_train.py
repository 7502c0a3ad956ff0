"""Training: what fits what, the losses, and a checkpoint that is read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from indexer.training.attributes import NAMES, UNDECIDED, decide  # noqa: E402
from indexer.training.captions import Caption  # noqa: E402
from indexer.training.compose import compose  # noqa: E402
from indexer.training.train import (  # noqa: E402
    Data,
    Losses,
    Recipe,
    Trainer,
    contrast,
    matches,
    vocabulary,
)
from indexer.training.truth import truth_of  # noqa: E402


def test_a_caption_fits_where_nothing_it_says_is_broken() -> None:
    values = np.full((3, len(NAMES)), UNDECIDED, dtype=np.float32)
    values[:, 0], values[:, 1] = (1, 1, 0), (0, UNDECIDED, 0)
    captions = [Caption("a", (0,), ()), Caption("b", (0,), (1,)), Caption("c", (2,), (0,))]
    fits, unknown = matches(captions, values)
    assert fits.tolist() == [[True, True, False], [True, False, False], [False, False, False]]
    assert unknown.tolist() == [[False] * 3, [False, True, False], [False, False, True]]


def test_contrast_is_least_where_what_fits_is_on_top() -> None:
    fits = torch.tensor([[True, True, False], [False, False, False]])
    unknown = torch.tensor([[False, False, False], [True, False, False]])
    right = contrast(torch.tensor([[9.0, 9.0, 0.0], [0.0, 0.0, 0.0]]), fits, unknown)
    wrong = contrast(torch.tensor([[0.0, 0.0, 9.0], [0.0, 0.0, 0.0]]), fits, unknown)
    assert right.item() == pytest.approx(np.log(2), abs=1e-3)
    assert wrong.item() > 8


def data(songs: int = 6) -> Data:
    rng = np.random.default_rng(0)
    mel = rng.integers(0, 256, (2 * songs, 64, 96), dtype=np.uint8)
    pitch = rng.integers(0, 256, (2 * songs, 144, 10), dtype=np.uint8)
    truths = [truth_of(compose(n // 2), str(n // 2), 3.0, 13.0, 900.0) for n in range(2 * songs)]
    values = np.stack([decide(t, m) for t, m in zip(truths, mel, strict=True)])
    return Data(mel, pitch, values, tuple(np.array([2 * n, 2 * n + 1]) for n in range(songs)))


def test_some_steps_and_a_checkpoint(tmp_path: Path) -> None:
    recipe = Recipe(songs=4, steps=3, widths=(4, 8, 8, 16), width=16)
    seen: list[tuple[int, Losses]] = []
    trainer = Trainer(data(), recipe)
    before = {name: value.clone() for name, value in trainer.text.state_dict().items()}
    trainer.run(minutes=10, told=lambda step, losses: seen.append((step, losses)))
    assert [step for step, _ in seen] == [1, 2, 3]
    assert all(np.isfinite([one.towards, one.told, one.again]).all() for _, one in seen)
    trainer.save(tmp_path / "ear.pt")
    state = torch.load(tmp_path / "ear.pt", weights_only=True)
    assert state["words"] == vocabulary()
    assert state["recipe"]["songs"] == 4
    assert any(not torch.equal(state["text"][name], value) for name, value in before.items())
    assert [path.name for path in tmp_path.iterdir()] == ["ear.pt"]


def test_the_same_recipe_gives_the_same_weights() -> None:
    recipe = Recipe(songs=3, steps=2, widths=(4, 8, 8, 16), width=16)
    runs = []
    for _ in range(2):
        trainer = Trainer(data(), recipe)
        trainer.run(minutes=10, told=lambda *_: None)
        runs.append(trainer.audio.state_dict())
    one, two = runs
    assert all(torch.allclose(one[name].float(), two[name].float(), atol=1e-5) for name in one)
