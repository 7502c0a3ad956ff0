"""The networks to train. ``retrieval.video.model_networks`` runs them in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retrieval.video.model_card import ProjectionSpace, Shape
from retrieval.video.model_inputs import ClipInputs, positions
from retrieval.video.model_networks import CALM, MOOD, WILD


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Clips side by side; float32, but for the last two, which are bool.

    Attributes:
        dims: (batch, n).
        known: Likewise, 1 where known.
        frames: (batch, seconds, D).
        series: (batch, seconds, S).
        framed: (batch, seconds), where there is a frame.
        timed: (batch, seconds), where there is a row of the series.
    """

    dims: Tensor
    known: Tensor
    frames: Tensor
    series: Tensor
    framed: Tensor
    timed: Tensor

    def of(self, places: Tensor) -> Batch:
        """Some of the clips."""
        return Batch(*(getattr(self, one.name)[places] for one in fields(self)))


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """What a network says of a batch; None for heads it does not have."""

    mean: Tensor
    log_variance: Tensor | None = None
    emotion: Tensor | None = None
    projection: Tensor | None = None


def collate(clips: Sequence[ClipInputs], device: torch.device) -> Batch:
    """Clips of any lengths as one batch, filled up with zeros."""
    seconds = max(1, *(max(len(clip.frames), len(clip.series)) for clip in clips))

    def filled(rows: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
        values = np.zeros((len(rows), seconds, rows[0].shape[1]), dtype=np.float32)
        there = np.zeros((len(rows), seconds), dtype=bool)
        for place, row in enumerate(rows):
            values[place, : len(row)] = row
            there[place, : len(row)] = True
        return torch.from_numpy(values).to(device), torch.from_numpy(there).to(device)

    frames, framed = filled([clip.frames for clip in clips])
    series, timed = filled([clip.series for clip in clips])
    dims = torch.from_numpy(np.stack([clip.dims for clip in clips])).to(device)
    known = torch.from_numpy(np.stack([clip.known for clip in clips])).to(device)
    return Batch(dims, known, frames, series, framed, timed)


class MlpNetwork(nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """The originating network: nine dimensions to eight, mood to mood, both to an emotion."""

    def __init__(
        self, inputs: int, outputs: int, classes: int, *, width: int, dropout: float
    ) -> None:
        super().__init__()
        self.main = nn.ModuleDict(
            {
                "inner": nn.Linear(inputs - MOOD, width),
                "outer": nn.Linear(width, width),
                "head": nn.Linear(width, outputs - MOOD),
            }
        )
        self.mood = nn.ModuleDict({"inner": nn.Linear(MOOD, width), "head": nn.Linear(width, MOOD)})
        self.emotion = nn.Linear(2 * width, classes)
        self.drop = nn.Dropout(dropout)

    def forward(self, batch: Batch) -> Heads:
        """Standardised dimensions of the music, and logits of its emotion."""
        main = self.drop(functional.relu(self.main["inner"](batch.dims[:, :-MOOD])))
        main = self.drop(functional.relu(self.main["outer"](main)))
        mood = self.drop(functional.relu(self.mood["inner"](batch.dims[:, -MOOD:])))
        mean = torch.cat([self.main["head"](main), self.mood["head"](mood)], dim=1)
        return Heads(mean, emotion=self.emotion(torch.cat([main, mood], dim=1)))


class TemporalNetwork(nn.Module):  # type: ignore[misc] # PyTorch is not followed
    """A transformer over one token of dimensions and one per second."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        shape: Shape,
        *,
        series: int,
        classes: int = 0,
        projection: ProjectionSpace | None = None,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        width = shape.width
        self.dims = nn.ModuleDict(
            {"inner": nn.Linear(2 * inputs, width), "outer": nn.Linear(width, width)}
        )
        self.frames = nn.Linear(shape.frame_dim, width) if shape.frame_dim else None
        self.series = nn.Linear(series, width) if series else None
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, shape.heads, 4 * width, dropout, batch_first=True, norm_first=True
            )
            for _ in range(shape.layers)
        )
        self.norm = nn.LayerNorm(2 * width)
        self.drop = nn.Dropout(dropout)
        self.mean = nn.Linear(2 * width, outputs)
        self.spread = nn.Linear(2 * width, outputs)
        self.emotion = nn.Linear(2 * width, classes) if classes else None
        self.project = None
        if projection is not None:
            self.project = nn.ModuleDict(
                {
                    "inner": nn.Linear(2 * width, 2 * width),
                    "outer": nn.Linear(2 * width, projection.dim),
                }
            )

    def forward(self, batch: Batch) -> Heads:
        """Standardised means, log-variances, and what other heads there are."""
        told = functional.relu(self.dims["inner"](torch.cat([batch.dims, batch.known], dim=1)))
        token = self.dims["outer"](told)[:, None]
        seconds = batch.framed.shape[1]
        width = token.shape[2]
        x = torch.from_numpy(positions(seconds, width)).to(token.device).expand(len(token), -1, -1)
        if self.frames is not None:
            x = x + self.frames(batch.frames) * batch.framed[:, :, None]
        if self.series is not None:
            x = x + self.series(batch.series) * batch.timed[:, :, None]
        there = batch.framed | batch.timed
        first = torch.ones_like(there[:, :1])
        absent = ~torch.cat([first, there], dim=1)
        x = torch.cat([token, self.drop(x)], dim=1)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=absent)
        share = there[:, :, None].float()
        rest = (x[:, 1:] * share).sum(dim=1) / share.sum(dim=1).clamp(min=1.0)
        pooled = self.norm(torch.cat([x[:, 0], rest], dim=1))
        projection = None
        if self.project is not None:
            inner = functional.relu(self.project["inner"](pooled))
            projection = functional.normalize(self.project["outer"](inner), dim=1, eps=1e-12)
        return Heads(
            self.mean(pooled),
            self.spread(pooled).clamp(CALM, WILD),
            self.emotion(pooled) if self.emotion is not None else None,
            projection,
        )
