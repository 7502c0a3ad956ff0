"""Training of both towers together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed
from torch.nn import functional

from indexer.training.attributes import decide
from indexer.training.losses import UNDERSTOOD, contrast, meet, tell, understand
from indexer.training.model import AudioTower, TextTower
from indexer.training.reading import Texts, fall, grow, learn_to_read, read, vocabulary
from indexer.training.shards import read_shard


@dataclass(frozen=True, slots=True)
class Recipe:
    """Choices of a run.

    Attributes:
        songs: Songs of a batch, two windows each.
        texts: Captions of a window.
        reading: Batches of texts alone, before any sound is heard.
        steps: Batches in all.
        rate: Highest learning rate.
        decay: Weight decay.
        seed: Of everything.
        haste: Share of the run in which only about half of every window is heard, in half the time.
    """

    songs: int = 80
    texts: int = 2
    reading: int = 2_000
    steps: int = 20_000
    rate: float = 2e-3
    decay: float = 0.02
    seed: int = 1
    haste: float = 0.5
    widths: tuple[int, ...] = field(default=(24, 48, 96, 192))
    width: int = 256


FURTHER = Recipe(reading=0, rate=6e-4, haste=0.3)
"""To go on from a checkpoint."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Of one step: texts and sounds toward each other, attributes of both, songs known again."""

    towards: float
    told: float
    read: float
    again: float


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Every window of some shards in memory."""

    mel: NDArray[np.uint8]
    pitch: NDArray[np.uint8]
    values: NDArray[np.float32]
    songs: tuple[NDArray[np.int64], ...]


def load(folder: Path, names: Sequence[str]) -> Data:
    """Read shards, decide attributes, and group the windows of each song."""
    shards = [read_shard(folder, name) for name in names]
    mel = np.concatenate([shard.mel for shard in shards])
    pitch = np.concatenate([shard.pitch for shard in shards])
    truths = [truth for shard in shards for truth in shard.truths]
    values = np.stack([decide(truth, picture) for truth, picture in zip(truths, mel, strict=True)])
    groups: dict[str, list[int]] = {}
    for place, truth in enumerate(truths):
        groups.setdefault(truth.song, []).append(place)
    return Data(mel, pitch, values, tuple(np.asarray(group) for group in groups.values()))


def batches(
    data: Data, recipe: Recipe, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places of windows and the number of the song of each, for ever."""
    order: list[int] = []
    while True:
        if len(order) < recipe.songs:
            order = list(rng.permutation(len(data.songs)))
        chosen = [order.pop() for _ in range(recipe.songs)]
        places, songs = [], []
        for number in chosen:
            group = data.songs[number]
            for place in rng.permutation(len(group))[:2]:
                places.append(int(group[place]))
                songs.append(number)
        yield np.asarray(places), np.asarray(songs)


def disturb(mel: Tensor, rng: np.random.Generator) -> Tensor:
    """Tilt, level, masks of time and bands: what costs too much to render for every epoch."""
    batch, bands, frames = mel.shape
    tilt = torch.from_numpy(rng.normal(0, 0.03, (batch, 1, 1)).astype(np.float32))
    ramp = torch.linspace(-1, 1, bands)[None, :, None]
    curve = torch.from_numpy(rng.normal(0, 0.03, (batch, 6)).astype(np.float32))
    smooth = functional.interpolate(curve[:, None], size=bands, mode="linear")[:, 0, :, None]
    mel = (mel + tilt * ramp + smooth + 0.02 * torch.randn(batch, 1, 1)).clamp(0, 1)
    for row in range(batch):
        if rng.random() < 0.5:
            start, length = int(rng.integers(0, bands)), int(rng.integers(1, 9))
            mel[row, start : start + length] = 0.0
        if rng.random() < 0.5:
            start, length = int(rng.integers(0, frames)), int(rng.integers(5, 80))
            mel[row, :, start : start + length] = 0.0
    floor = torch.from_numpy(rng.uniform(0, 0.25, (batch, 1, 1)).astype(np.float32))
    keep = torch.from_numpy(rng.random((batch, 1, 1)) < 0.5)
    # A higher floor is what noise does: what lies below it cannot be heard.
    return torch.where(keep, mel, torch.maximum(mel, floor))


def _rank() -> int:
    return int(distributed.get_rank()) if distributed.is_initialized() else 0


def _latest(progress: float) -> float:
    """The same answer in every process, so that all stop at one step."""
    if distributed.is_initialized():
        found = torch.tensor(progress)
        distributed.all_reduce(found, distributed.ReduceOp.MAX)
        progress = float(found)
    return progress


def _share(parameters: Sequence[Tensor]) -> None:
    """The mean of the gradients of all processes."""
    if distributed.is_initialized():
        gradients = [parameter.grad for parameter in parameters]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


def _part(picture: Tensor, start: float, share: float) -> Tensor:
    frames = picture.shape[2]
    return picture[:, :, int(start * frames) : int((start + share) * frames)]


def write(
    path: Path,
    audio: AudioTower,
    text: TextTower,
    words: dict[str, int],
    recipe: dict[str, object],
) -> None:
    """Write a checkpoint, whole or not at all."""
    part = path.with_suffix(".part")
    checkpoint = {
        "audio": audio.state_dict(),
        "text": text.state_dict(),
        "words": words,
        "recipe": recipe,
    }
    torch.save(checkpoint, part)
    part.replace(path)


class Trainer:
    """Both towers on their way. The same recipe on the same machine gives the same weights."""

    def __init__(self, data: Data, recipe: Recipe, start: Mapping[str, Any] | None = None) -> None:
        """Begin with random weights, or with those of a checkpoint, whose widths the recipe has."""
        torch.manual_seed(recipe.seed)
        self._rng = np.random.default_rng([recipe.seed, _rank()])
        self._data, self._recipe = data, recipe
        self._hasty = False
        weights: Mapping[str, Tensor] = {}
        self.words = vocabulary()
        if start is not None:
            weights, self.words = grow(start["text"], start["words"])
        self._texts = Texts(self.words, self._rng)
        self.audio = AudioTower(recipe.widths, recipe.width).to(memory_format=torch.channels_last)
        self.text = TextTower(len(self.words) + 1)
        if start is not None:
            self.audio.load_state_dict(start["audio"])
            self.text.load_state_dict(weights)
            # Found again at the end, by ``align``.
            self.text.denials.zero_()
        # Where they are after some training, and where they begin in ``align``, if there was one.
        sharp, offset = (2.7, -5.0) if start is None else (3.0, -6.0)
        self._sharp = torch.nn.ParameterList(torch.tensor(sharp) for _ in range(3))
        self._offset = torch.nn.Parameter(torch.tensor(offset))
        self._parameters = [
            parameter
            for part in (self.audio, self.text, self._sharp)
            for parameter in part.parameters()
        ] + [self._offset]
        self._optimiser = torch.optim.AdamW(
            self._parameters, lr=recipe.rate, weight_decay=recipe.decay
        )

    def learn_to_read(self, told: Callable[[int, float], None]) -> None:
        """Teach the text tower alone, as long as the recipe says; once, before ``run``."""
        learn_to_read(
            self.text,
            self._data.values,
            self._texts,
            self._rng,
            steps=self._recipe.reading,
            rate=self._recipe.rate,
            told=told,
        )

    def run(self, *, minutes: float, told: Callable[[int, Losses], None]) -> None:
        """Train until the recipe's steps or the minutes are over, whichever is first.

        Args:
            minutes: Of wall-clock time; the learning rate falls with them too.
            told: Called after every step with its number, from 1, and its losses.
        """
        began = time.monotonic()
        for step, (places, songs) in enumerate(batches(self._data, self._recipe, self._rng)):
            spent = (time.monotonic() - began) / 60.0
            progress = _latest(max(step / self._recipe.steps, spent / minutes))
            if progress >= 1.0:
                return
            self._hasty = progress < self._recipe.haste
            for group in self._optimiser.param_groups:
                group["lr"] = self._recipe.rate * fall(progress, step, 200)
            told(step + 1, self._step(places, songs))

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        write(path, self.audio, self.text, self.words, asdict(self._recipe))

    def _step(self, places: NDArray[np.int64], songs: NDArray[np.int64]) -> Losses:
        loss, losses = self._loss(places, songs)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        _share(self._parameters)
        torch.nn.utils.clip_grad_norm_(self._parameters, 2.0)
        self._optimiser.step()
        return losses

    def _loss(self, places: NDArray[np.int64], songs: NDArray[np.int64]) -> tuple[Tensor, Losses]:
        values = self._data.values[places]
        captions, found = self._texts.write(values, self._recipe.texts)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            meaning, identity, logits = (one.float() for one in self.audio(*self._heard(places)))
            queries, claims = (one.float() for one in read(self.text, found))
        for_texts, for_songs, for_pairs = self._sharp
        both = (queries, meaning)
        towards = meet(both, captions, values, (for_texts, for_pairs), self._offset)
        whole = torch.cat([meaning, identity], dim=1)
        same = torch.from_numpy(songs[:, None] == songs[None, :])
        itself = torch.eye(len(songs), dtype=torch.bool)
        alike = (whole @ whole.T) / 2 * for_songs.exp().clamp(max=60)
        again = contrast(alike, same & ~itself, itself)
        told = tell(logits, torch.from_numpy(values))
        understood = UNDERSTOOD * understand(claims, captions)
        loss = towards + told + understood + 0.5 * again
        return loss, Losses(towards.item(), told.item(), understood.item(), again.item())

    def _heard(self, places: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        mel = torch.from_numpy(self._data.mel[places]).float() / 255
        pitch = torch.from_numpy(self._data.pitch[places]).float() / 255
        mel = disturb(mel, self._rng)
        if self._hasty:
            share = float(self._rng.uniform(0.35, 0.6))
        elif self._rng.random() < 0.3:
            # Last windows of tracks, and queries, may be short.
            share = float(self._rng.uniform(0.25, 1.0))
        else:
            return mel, pitch
        start = float(self._rng.uniform(0.0, 1.0 - share))
        return _part(mel, start, share), _part(pitch, start, share)
