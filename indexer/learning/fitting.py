"""Epochs of training: stopped at any time, gone on with later, the same by their seed."""

from __future__ import annotations

import math
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from indexer.learning.resuming import Resume
from indexer.learning.watching import Watch, tell

Score = tuple[float, float]
Loss = Callable[[NDArray[np.int64], np.random.Generator], Tensor]
"""Of some rows, given chance to draw on."""
State = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long, how many at once, how fast.

    Attributes:
        epochs: At most.
        patience: Epochs without gain after which training ends.
        batch: Rows at once.
        rate: Highest learning rate; it falls to nothing along half a cosine.
        decay: Of weights (AdamW, Loshchilov and Hutter 2019).
    """

    epochs: int
    patience: int
    batch: int
    rate: float
    decay: float


@dataclass(frozen=True, slots=True)
class Session:
    """What all stages of a run share.

    Attributes:
        seed: Of everything drawn.
        device: Where networks are trained.
        resume: What an earlier run left.
        stop: Set to end the run after the batch at hand.
        watch: Told how far the run is; may be None.
    """

    seed: int
    device: torch.device
    resume: Resume
    stop: threading.Event
    watch: Watch | None = None

    def chance(self, stage: str, turn: int = 0) -> np.random.Generator:
        """Numbers for one turn of a stage, PyTorch's own among them: whatever came before."""
        chance = np.random.default_rng([self.seed, zlib.crc32(stage.encode()), turn])
        torch.manual_seed(int(chance.integers(2**62)))
        return chance

    def tell(self, doing: str, done: int, total: int) -> None:
        """Pass on how far the run is.

        Raises:
            CancelledError: The run is to end.
        """
        tell(self.watch, self.stop, doing, done, total)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What came of training.

    Attributes:
        state: Of the network at its best epoch, on the CPU.
        epochs: How many it took to get there.
        score: What it scored then.
    """

    state: State
    epochs: int
    score: Score


def fit(
    stage: str,
    network: nn.Module,
    loss: Loss,
    rows: NDArray[np.int64],
    *,
    schedule: Schedule,
    session: Session,
    score: Callable[[], Score] | None = None,
    epochs: int | None = None,
    keep: bool = True,
) -> Fitted:
    """Train a network, and leave it in the state of its best epoch.

    Args:
        stage: Name of this training within the run.
        network: What is trained; made under ``session.chance(stage)``.
        loss: Of a batch.
        rows: What to learn from.
        schedule: How.
        session: Of the run.
        score: Measures the network as it is, higher being better; None takes the last epoch.
        epochs: How many of the schedule's epochs to train; None trains all.
        keep: Whether an interrupted training of this stage is worth going on with.

    Raises:
        CancelledError: The run was stopped.
    """
    optimiser = _optimiser(network, schedule)
    earlier = session.resume.get(stage) if keep else None
    progress = earlier or {"epoch": 0, "best": None, "epochs": 0, "score": (-math.inf, -math.inf)}
    # One that came to its end keeps no optimiser to go on with.
    if earlier is not None and earlier["optimiser"] is not None:
        network.load_state_dict(earlier["network"])
        optimiser.load_state_dict(earlier["optimiser"])
    last = schedule.epochs if epochs is None else epochs
    batches = max(1, round(len(rows) / schedule.batch))
    if earlier is not None and earlier["optimiser"] is None:
        last = 0
    while progress["epoch"] < last and not _tired(progress, schedule):
        epoch = progress["epoch"]
        chance = session.chance(stage, epoch + 1)
        network.train()
        for number, some in enumerate(np.array_split(chance.permutation(rows), batches)):
            session.tell(stage, epoch * batches + number, last * batches)
            _pace(optimiser, schedule, (epoch + number / batches) / schedule.epochs)
            found = loss(some, chance)
            optimiser.zero_grad(set_to_none=True)
            found.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
        network.eval()
        progress = progress | {"epoch": epoch + 1}
        with torch.inference_mode():
            reached = score() if score is not None else (float(epoch), 0.0)
        if tuple(reached) > tuple(progress["score"]):
            progress |= {"best": _copied(network), "epochs": epoch + 1, "score": tuple(reached)}
        if keep:
            live: dict[str, Any] = {
                "network": _copied(network),
                "optimiser": optimiser.state_dict(),
            }
            session.resume.put(stage, progress | live)
    network.load_state_dict(progress["best"])
    network.eval()
    if keep:
        session.resume.put(stage, progress | {"network": progress["best"], "optimiser": None})
    return Fitted(progress["best"], progress["epochs"], tuple(progress["score"]))


def _tired(progress: dict[str, Any], schedule: Schedule) -> bool:
    return bool(progress["epoch"] - progress["epochs"] >= schedule.patience)


def _optimiser(network: nn.Module, schedule: Schedule) -> Any:
    """AdamW; biases, norms and scalars do not decay."""
    flat = [p for p in network.parameters() if p.ndim < 2]
    deep = [p for p in network.parameters() if p.ndim >= 2]
    groups = [{"params": deep, "weight_decay": schedule.decay}, {"params": flat, "weight_decay": 0}]
    return torch.optim.AdamW(groups, lr=schedule.rate)


def _pace(optimiser: Any, schedule: Schedule, progress: float) -> None:
    warm = min(1.0, 20.0 * progress + 0.05)
    for group in optimiser.param_groups:
        group["lr"] = schedule.rate * warm * (0.5 + 0.5 * math.cos(math.pi * progress))


def _copied(network: nn.Module) -> State:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}
