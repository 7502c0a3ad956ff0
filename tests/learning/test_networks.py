"""What is trained in PyTorch is what runs in NumPy; and losses mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from indexer.learning.losses import contrast, likelihood, metric_scores  # noqa: E402
from indexer.learning.measures import distances  # noqa: E402
from indexer.learning.networks import MlpNetwork, TemporalNetwork, collate  # noqa: E402
from indexer.learning.ridge import PENALTIES, choose_penalties, fit_ridge  # noqa: E402
from retrieval.core.video import SERIES  # noqa: E402
from retrieval.video.model_inputs import read_inputs  # noqa: E402
from retrieval.video.model_networks import load_network  # noqa: E402
from tests.learning.random_models import card, clip, tensors  # noqa: E402

CLIPS = (clip(5), clip(1), clip(0), clip(9, known=3), clip(4, framed=0), clip(3, framed=8))


def state(network: torch.nn.Module, weights: dict[str, np.ndarray]) -> torch.nn.Module:
    own = {k: torch.from_numpy(v) for k, v in weights.items() if not k.startswith("scale.")}
    network.load_state_dict(own, strict=True)
    return network.eval()


def test_the_temporal_network_is_the_same_in_numpy() -> None:
    one = card("temporal")
    weights = tensors(one)
    network = state(
        TemporalNetwork(
            11, 10, one.shape, series=len(SERIES), classes=2, projection=one.projection
        ),
        weights,
    )
    inputs = [read_inputs(features, one, weights) for features in CLIPS]
    with torch.inference_mode():
        heads = network(collate(inputs, torch.device("cpu")))
    run = load_network(one, weights)
    for place, clip_inputs in enumerate(inputs):
        found = run(clip_inputs)
        assert found.mean == pytest.approx(heads.mean[place].numpy(), abs=2e-5)
        assert found.log_variance == pytest.approx(heads.log_variance[place].numpy(), abs=2e-5)
        assert found.projection == pytest.approx(heads.projection[place].numpy(), abs=2e-5)


def test_the_perceptron_is_the_same_in_numpy() -> None:
    one = card("mlp")
    weights = tensors(one)
    network = state(MlpNetwork(11, 10, 2, width=8, dropout=0.5), weights)
    inputs = [read_inputs(features, one, weights) for features in CLIPS]
    with torch.inference_mode():
        means = network(collate(inputs, torch.device("cpu"))).mean
    run = load_network(one, weights)
    for clip_inputs, mean in zip(inputs, means, strict=True):
        assert run(clip_inputs).mean == pytest.approx(mean.numpy(), abs=1e-5)


def test_other_pairs_of_the_same_track_are_no_negatives() -> None:
    scores = torch.tensor([[2.0, 9.0, 0.0], [9.0, 2.0, 0.0], [0.0, 0.0, 2.0]])
    apart = contrast(scores, torch.tensor([0, 1, 2]))
    same = contrast(scores, torch.tensor([0, 0, 2]))
    by_hand = np.mean([np.log1p(np.exp(-2.0))] * 2 + [np.log1p(2 * np.exp(-2.0))])
    assert same.item() == pytest.approx(by_hand, abs=1e-4)
    assert apart.item() > 4


def test_likelihood_leaves_out_what_has_no_truth() -> None:
    mean = torch.tensor([[1.0, 5.0]], requires_grad=True)
    spread = torch.tensor([[0.5, 0.5]], requires_grad=True)
    lost = likelihood(mean, spread, torch.tensor([[2.0, np.nan]]))
    assert lost.item() == pytest.approx(0.5 * (0.5 + np.exp(-0.5)), abs=1e-6)
    lost.backward()
    assert mean.grad[0, 1] == 0.0
    assert torch.isfinite(mean.grad).all()


def test_scores_in_training_are_those_in_measuring() -> None:
    rng = np.random.default_rng(0)
    q, x, w = rng.normal(size=(3, 4)), rng.normal(size=(5, 4)), rng.uniform(size=4)
    theirs = metric_scores(*(torch.from_numpy(part) for part in (q, x, w))).numpy()
    by_hand = -((q[:, None] - x[None]) ** 2 * w).sum(axis=2)
    assert distances(q, x, w) == pytest.approx(by_hand)
    assert 2 * theirs == pytest.approx(by_hand)


@pytest.mark.parametrize("columns", [3, 60])
def test_ridge_solves_its_equation(columns: int) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(30, columns)), rng.normal(size=(30, 2))
    y[:4, 1] = np.nan
    found = fit_ridge(x, y, np.array([2.0, 5.0]))
    rows = x[4:] - x[4:].mean(axis=0)
    label = y[4:, 1] - y[4:, 1].mean()
    weight = found.weight[1].astype(float)
    assert rows.T @ (label - rows @ weight) == pytest.approx(5.0 * weight, abs=1e-4)
    assert found(x)[4:, 1].mean() == pytest.approx(y[4:, 1].mean(), abs=1e-5)


def test_penalties_follow_what_was_held_back() -> None:
    rng = np.random.default_rng(2)
    x, held = rng.normal(size=(40, 30)), rng.normal(size=(40, 30))
    clear, noise = x[:, :1] * 3.0, rng.normal(size=(40, 1))
    y = np.concatenate([clear, noise], axis=1)
    held_y = np.concatenate([held[:, :1] * 3.0, rng.normal(size=(40, 1))], axis=1)
    least, most = choose_penalties(x, y, held, held_y)
    assert least == PENALTIES[0]
    assert most >= PENALTIES[2]
