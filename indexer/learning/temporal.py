"""The temporal recommender: what a clip shows second by second, toward the music's two vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from indexer.learning.fitting import Fitted, Schedule, Session, fit
from indexer.learning.losses import contrast, likelihood, metric_scores
from indexer.learning.measures import Pool, Values, aim, distances
from indexer.learning.networks import Heads, TemporalNetwork, collate
from indexer.learning.prepared import Prepared
from retrieval.core.video import SERIES, VIDEO_DIMS
from retrieval.encoders.perceptual_dims import DIMS
from retrieval.video.model_card import ProjectionSpace, Shape
from retrieval.video.model_inputs import ClipInputs, without_seconds

# How often training shows a clip by its dimensions alone, without them, and without frames.
_BARE, _WITHOUT_DIMS, _WITHOUT_FRAMES = 0.15, 0.15, 0.1
_ONE_DIM = 0.1
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class TemporalRecipe:
    """Choices of a training.

    Attributes:
        width: Of tokens.
        layers: Of the transformer.
        heads: Of its attention.
        dropout: Share of values that a step leaves out.
        epochs: At most.
        patience: Epochs without gain.
        batch: Pairs at once, which are each other's negatives.
        rate: Learning rate.
        decay: Of weights.
        likelihood: What the fit of means and variances counts beside the contrast.
        emotion: What the class counts.
    """

    width: int = 128
    layers: int = 2
    heads: int = 4
    dropout: float = 0.1
    epochs: int = 60
    patience: int = 12
    batch: int = 64
    rate: float = 1e-3
    decay: float = 0.05
    likelihood: float = 0.3
    emotion: float = 0.1

    @property
    def schedule(self) -> Schedule:
        """How to go through the rows."""
        return Schedule(self.epochs, self.patience, self.batch, self.rate, self.decay)


class Task(nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """A network, and what its scores are made of: all that is learned."""

    def __init__(self, network: TemporalNetwork, outputs: int) -> None:
        super().__init__()
        self.network = network
        self.log_weights = nn.Parameter(torch.zeros(outputs))
        self.sharp = nn.Parameter(torch.tensor([0.0, 2.7]))

    def weights(self) -> Tensor:
        """What each dimension counts in a distance; on average 1."""
        return self.log_weights.softmax(dim=0) * len(self.log_weights)

    def sharpness(self) -> Tensor:
        """Factors of the scores through the metric and of those of projections."""
        return self.sharp.exp().clamp(max=100.0)


class Temporal:
    """One training of the temporal recommender."""

    def __init__(
        self,
        data: Prepared,
        rows: NDArray[np.int64],
        recipe: TemporalRecipe,
        space: ProjectionSpace | None,
    ) -> None:
        """Take pairs (clip, track), all of them, and how to learn from some."""
        self._data, self._rows, self._recipe, self._space = data, rows, recipe, space

    @property
    def shape(self) -> Shape:
        """Of its network."""
        recipe = self._recipe
        sizes = {"width": recipe.width, "layers": recipe.layers, "heads": recipe.heads}
        return self._data.shape.model_copy(update=sizes)

    def train(
        self,
        stage: str,
        some: NDArray[np.int64],
        session: Session,
        *,
        pool: Pool | None = None,
        epochs: int | None = None,
    ) -> tuple[Task, Fitted]:
        """Learn from some rows; arguments as for ``Mlp.train``."""
        recipe = self._recipe
        session.chance(stage)
        task = self.task().to(session.device)
        sound = torch.from_numpy(self._data.sound).to(session.device)
        classes = torch.from_numpy(self._data.classes).to(session.device)
        known = self._data.embeddings
        embeddings = None if known is None else torch.from_numpy(known).to(session.device)

        def loss(rows: NDArray[np.int64], chance: np.random.Generator) -> Tensor:
            clips = [dropped(self._data.clips[place], chance) for place in self._rows[rows, 0]]
            heads = task.network(collate(clips, session.device))
            tracks = torch.from_numpy(self._rows[rows, 1]).to(session.device)
            kind = functional.cross_entropy(heads.emotion, classes[torch.from_numpy(rows)])
            fits = likelihood(heads.mean, heads.log_variance, sound[tracks])
            metric, cosine = task.sharpness()
            by_metric = metric_scores(heads.mean, sound[tracks], task.weights()) * metric
            total = contrast(by_metric, tracks)
            total = total + recipe.likelihood * fits + recipe.emotion * kind
            if embeddings is not None:
                total = total + contrast(heads.projection @ embeddings[tracks].T * cosine, tracks)
            return total

        def score() -> tuple[float, float]:
            return max(aim(one, pool) for one in self.scores(task, pool).values())  # type: ignore[arg-type]

        found = fit(
            stage,
            task,
            loss,
            some,
            schedule=recipe.schedule,
            session=session,
            score=None if pool is None else score,
            epochs=epochs,
        )
        return task, found

    def task(self) -> Task:
        """An untrained one."""
        network = TemporalNetwork(
            len(VIDEO_DIMS),
            len(DIMS),
            self.shape,
            series=len(SERIES) if self.shape.series else 0,
            classes=len(self._data.emotions),
            projection=self._space,
            dropout=self._recipe.dropout,
        )
        return Task(network, len(DIMS))

    def scores(self, task: Task, pool: Pool, *, bare: bool = False) -> Mapping[str, Values]:
        """How close each clip of a pool is to each of its tracks, by channel.

        Args:
            task: A trained one.
            pool: What to score.
            bare: Show no clip, but its dimensions alone.
        """
        clips = [self._data.clips[place] for place in pool.clips]
        clips = [without_seconds(clip) for clip in clips] if bare else clips
        mean, projection = predict(task.network, clips)
        with torch.inference_mode():
            weights = task.weights().cpu().numpy()
        found = {"mean": distances(mean, self._data.sound[pool.tracks], weights)}
        if projection is not None and self._data.embeddings is not None:
            found["projection"] = projection @ self._data.embeddings[pool.tracks].T
        return found


def predict(
    network: TemporalNetwork, clips: list[ClipInputs]
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Means and projections of clips, a bounded number at a time."""
    device = next(network.parameters()).device
    parts = [clips[start : start + _AT_ONCE] for start in range(0, len(clips), _AT_ONCE)]
    with torch.inference_mode():
        heads: list[Heads] = [network(collate(part, device)) for part in parts]
    mean = torch.cat([one.mean for one in heads]).cpu().numpy().astype(np.float64)
    projected = [one.projection for one in heads if one.projection is not None]
    if not projected:
        return mean, None
    return mean, torch.cat(projected).cpu().numpy().astype(np.float64)


def dropped(clip: ClipInputs, chance: np.random.Generator) -> ClipInputs:
    """A clip of which less is known, so that a model learns to do with what there is."""
    drawn = chance.random()
    timed = bool(len(clip.frames) or len(clip.series))
    if drawn < _BARE and clip.known.any():
        return without_seconds(clip)
    keep = (chance.random(clip.known.shape) >= _ONE_DIM).astype(np.float32)
    if _BARE <= drawn < _BARE + _WITHOUT_DIMS and timed:
        keep[:] = 0.0
    elif drawn >= 1.0 - _WITHOUT_FRAMES and len(clip.series):
        clip = replace(clip, frames=clip.frames[:0])
    return replace(clip, dims=clip.dims * keep, known=clip.known * keep)
