"""Training: what fits what, the losses, and a checkpoint that is read again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from indexer.training import parallel, reading  # noqa: E402
from indexer.training.align import DENIAL, align, denials  # noqa: E402
from indexer.training.attributes import NAMES, PLACE, UNDECIDED, decide  # noqa: E402
from indexer.training.captions import Caption  # noqa: E402
from indexer.training.compose import compose  # noqa: E402
from indexer.training.lexicon import lexicon  # noqa: E402
from indexer.training.losses import contrast, judge, matches, understand  # noqa: E402
from indexer.training.model import TextTower  # noqa: E402
from indexer.training.reading import Texts, learn_to_read, read, vocabulary  # noqa: E402
from indexer.training.train import Data, Losses, Recipe, Trainer  # noqa: E402
from indexer.training.truth import truth_of  # noqa: E402
from retrieval.encoders.ear_tokens import split, tokens  # noqa: E402


@pytest.fixture(autouse=True)
def _plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with WordNet and without it."""
    monkeypatch.setattr(reading, "synonyms", dict)


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


def shard(found: Data, part: slice, path: Path) -> None:
    np.savez(path.with_suffix(".npz"), mel=found.mel[part], pitch=found.pitch[part])
    numbers = range(len(found.mel))[part]
    truths = [truth_of(compose(n // 2), str(n // 2), 3.0, 13.0, 900.0) for n in numbers]
    lines = "\n".join(json.dumps(truth.as_dict()) for truth in truths)
    path.with_suffix(".jsonl").write_text(lines, encoding="utf-8")


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


def test_training_goes_on_from_a_checkpoint_with_words_that_came_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(songs=3, steps=1, widths=(4, 8, 8, 16), width=16)
    Trainer(data(), recipe).save(tmp_path / "ear.pt")
    state = torch.load(tmp_path / "ear.pt", weights_only=True)
    monkeypatch.setattr(reading, "synonyms", lambda: {"sad": {"adj": ["zorrowful", "blue"]}})
    trainer = Trainer(data(), recipe, state)
    assert list(trainer.words) == [*state["words"], "zorrowful"]
    old, new = state["text"]["words.weight"], trainer.text.words.weight.detach()
    assert torch.equal(new[:-1], old)
    sad = {word for phrase in lexicon("en").forms["sad"]["adj"] for word in split(phrase)}
    middle = old[[state["words"][word] for word in sorted(sad)]].mean(dim=0)
    assert torch.allclose(new[-1], middle, atol=1e-6)
    assert torch.equal(trainer.audio.hidden.weight, state["audio"]["hidden.weight"])
    trainer.save(tmp_path / "more.pt")
    assert torch.load(tmp_path / "more.pt", weights_only=True)["words"] == trainer.words


def test_the_same_recipe_gives_the_same_weights() -> None:
    recipe = Recipe(songs=3, steps=2, widths=(4, 8, 8, 16), width=16)
    runs = []
    for _ in range(2):
        trainer = Trainer(data(), recipe)
        trainer.run(minutes=10, told=lambda *_: None)
        runs.append(trainer.audio.state_dict())
    one, two = runs
    assert all(torch.allclose(one[name].float(), two[name].float(), atol=1e-5) for name in one)


def test_judgement_is_least_where_fitting_pairs_alone_score() -> None:
    fits = torch.tensor([[True, False, False]])
    unknown = torch.tensor([[False, False, True]])
    assert judge(torch.tensor([[9.0, -9.0, 9.0]]), fits, unknown).item() < 1e-3
    assert judge(torch.tensor([[-9.0, 9.0, 0.0]]), fits, unknown).item() > 17


def test_texts_are_read_in_their_order_whatever_is_read_with_them() -> None:
    words = vocabulary()
    tower = TextTower(len(words) + 1, width=32).eval()
    texts = [tokens(text, words) for text in ("piano", "calm music without drums", "no bass")] * 30
    with torch.no_grad():
        meaning, claims = read(tower, texts)
        alone = tower([texts[4]])
    assert torch.allclose(meaning[4], alone[0][0], atol=1e-5)
    assert torch.allclose(claims[4], alone[1][0], atol=1e-5)
    assert torch.equal(meaning[1], meaning[4])
    assert not torch.allclose(meaning[0], meaning[1], atol=1e-3)


def test_a_tower_learns_what_texts_claim() -> None:
    torch.manual_seed(0)
    words, found = vocabulary(), data()
    tower, rng = TextTower(len(words) + 1, width=32), np.random.default_rng(0)
    lost: list[float] = []
    learn_to_read(
        *(tower, found.values, Texts(words, rng), rng),
        **{"steps": 12, "rate": 2e-2, "told": lambda step, loss: lost.append(loss)},
    )
    assert len(lost) == 12
    assert lost[-1] < 0.7 * lost[0]
    with torch.no_grad():
        claims = read(tower, [tokens("drums", words)])[1]
    right = understand(claims, [Caption("drums", (PLACE["drums"],), ())]).item()
    assert right < 0.7 * lost[0]


def test_alignment_changes_what_texts_mean_and_leaves_the_rest(tmp_path: Path) -> None:
    found, recipe = data(), Recipe(songs=4, steps=1, widths=(4, 8, 8, 16), width=16)
    shard(found, slice(0, 12), tmp_path / "train-0000")
    checkpoint = tmp_path / "ear.pt"
    trainer = Trainer(found, recipe)
    trainer.save(checkpoint)
    before = torch.load(checkpoint, weights_only=True)
    steps: list[int] = []
    align(
        *(checkpoint, tmp_path, ["train-0000"]),
        **{"minutes": 0.01, "told": lambda step, loss: steps.append(step)},
    )
    after = torch.load(checkpoint, weights_only=True)
    assert steps[0] == 1
    assert after["words"] == before["words"]
    changed = {
        name
        for name, value in after["audio"].items()
        if not torch.equal(value, before["audio"][name])
    }
    assert changed == {"meaning.weight", "meaning.bias"}
    assert not torch.equal(after["text"]["out.weight"], before["text"]["out.weight"])


def test_a_denial_takes_away_what_tells_the_sounds_with_it_from_those_without() -> None:
    rng = np.random.default_rng(0)
    heard, values = torch.from_numpy(rng.normal(size=(60, 8))), np.zeros((60, 2), dtype=np.float32)
    values[:30, 0] = 1.0
    heard[:30, 0] += 9.0
    meaning = torch.nn.Linear(8, 8, bias=False)
    with torch.no_grad():
        meaning.weight.copy_(torch.eye(8))
    found = denials(meaning, heard, values)
    assert found[0].norm().item() == pytest.approx(DENIAL, abs=1e-6)
    assert found[0, 0].item() > 0.95 * DENIAL
    # No window has the other: nothing is known of it.
    assert not found[1].any()


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    found = data(4)
    shard(found, slice(0, 4), tmp_path / "train-0000")
    shard(found, slice(4, 8), tmp_path / "train-0001")
    recipe = Recipe(songs=2, reading=2, steps=3, widths=(4, 8, 8, 16), width=16)
    checkpoint = tmp_path / "ear.pt"
    parallel.train(parallel.Run(tmp_path, checkpoint, 5.0, 2, recipe))
    both = torch.load(checkpoint, weights_only=True)["audio"]
    alone = Trainer(found, recipe).audio.state_dict()
    assert both.keys() == alone.keys()
    assert not torch.equal(both["hidden.weight"], alone["hidden.weight"])
    with pytest.raises(FileNotFoundError, match="2 shards for 3 processes"):
        parallel.train(parallel.Run(tmp_path, checkpoint, 5.0, 3, recipe))
