"""The originating recommender, trained as it was: the baseline to beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from indexer.learning.fitting import Fitted, Schedule, Session, fit
from indexer.learning.measures import Pool, Values, aim, distances
from indexer.learning.networks import MlpNetwork, collate
from indexer.learning.prepared import Prepared
from retrieval.core.video import VIDEO_DIMS
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.video.model_inputs import without_seconds
from retrieval.video.model_networks import MOOD


@dataclass(frozen=True, slots=True)
class MlpRecipe:
    """What tuning chooses.

    Attributes:
        width: Of hidden layers.
        dropout: Share of hidden values that a step leaves out.
        rate: Learning rate.
        decay: Of weights.
        mood: What arousal and valence count beside the other eight dimensions.
        emotion: What the class counts.
        batch: Rows at once.
    """

    width: int = 64
    dropout: float = 0.1
    rate: float = 2e-3
    decay: float = 1e-2
    mood: float = 0.5
    emotion: float = 0.1
    batch: int = 64


class Mlp:
    """One training of the multilayer perceptron."""

    def __init__(self, data: Prepared, rows: NDArray[np.int64], recipe: MlpRecipe) -> None:
        """Take pairs (clip, track), all of them, and how to learn from some."""
        self._data, self._rows, self._recipe = data, rows, recipe
        self._clips = [without_seconds(one) for one in data.clips]

    def train(
        self,
        stage: str,
        some: NDArray[np.int64],
        session: Session,
        *,
        pool: Pool | None = None,
        epochs: int | None = None,
        keep: bool = True,
    ) -> tuple[MlpNetwork, Fitted]:
        """Learn from some rows, until the pool's clips find their tracks no better.

        Args:
            stage: Name of this training.
            some: Places of rows.
            session: Of the run.
            pool: To be measured on; None trains a known number of epochs.
            epochs: That number.
            keep: As for ``fit``.
        """
        recipe, data = self._recipe, self._data
        session.chance(stage)
        network = self.network().to(session.device)
        batch = collate(self._clips, session.device)
        sound = torch.from_numpy(data.sound).to(session.device)
        classes = torch.from_numpy(data.classes).to(session.device)

        def loss(rows: NDArray[np.int64], chance: np.random.Generator) -> torch.Tensor:
            del chance
            clips, tracks = torch.from_numpy(self._rows[rows].T).to(session.device)
            heads = network(batch.of(clips))
            error = (heads.mean - sound[tracks]).square()
            kind = functional.cross_entropy(heads.emotion, classes[torch.from_numpy(rows)])
            main, mood = error[:, :-MOOD].mean(), error[:, -MOOD:].mean()
            return main + recipe.mood * mood + recipe.emotion * kind

        schedule = Schedule(120, 20, recipe.batch, recipe.rate, recipe.decay)
        found = fit(
            stage,
            network,
            loss,
            some,
            schedule=schedule,
            session=session,
            score=None if pool is None else lambda: aim(self.scores(network, pool)["mean"], pool),
            epochs=epochs,
            keep=keep,
        )
        return network, found

    def network(self) -> MlpNetwork:
        """An untrained one."""
        recipe = self._recipe
        classes = len(self._data.emotions)
        return MlpNetwork(
            len(VIDEO_DIMS), len(DIMS), classes, width=recipe.width, dropout=recipe.dropout
        )

    def scores(self, network: MlpNetwork, pool: Pool) -> Mapping[str, Values]:
        """How close each clip of a pool is to each of its tracks, by channel."""
        device = next(network.parameters()).device
        with torch.inference_mode():
            mean = network(collate([self._clips[place] for place in pool.clips], device)).mean
        found = mean.cpu().numpy().astype(np.float64)
        return {"mean": distances(found, self._data.sound[pool.tracks], np.ones(len(DIMS)))}
