"""Training of both towers together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from indexer.training.attributes import NAMES, UNDECIDED, decide
from indexer.training.captions import Caption, Captioner
from indexer.training.lexicon import LANGUAGES, lexicon
from indexer.training.model import AudioTower, TextTower
from indexer.training.shards import read_shard
from retrieval.encoders.ear_tokens import Token, split, tokens


@dataclass(frozen=True, slots=True)
class Recipe:
    """Choices of a run.

    Attributes:
        songs: Songs of a batch, two windows each.
        texts: Captions of a window.
        steps: Batches in all.
        rate: Highest learning rate.
        decay: Weight decay.
        seed: Of everything.
    """

    songs: int = 80
    texts: int = 1
    steps: int = 20_000
    rate: float = 2e-3
    decay: float = 0.02
    seed: int = 1
    widths: tuple[int, ...] = field(default=(24, 48, 96, 192))
    width: int = 256


@dataclass(frozen=True, slots=True)
class Losses:
    """Of one step: texts and sounds toward each other, attributes, and songs known again."""

    towards: float
    told: float
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


def vocabulary() -> dict[str, int]:
    """Every word of the lexicons, from 1 on; 0 is for words that are in none."""
    words: dict[str, None] = {}
    for language in LANGUAGES:
        for phrase in lexicon(language).phrases():
            words.update(dict.fromkeys(split(phrase)))
    return {word: place for place, word in enumerate(words, start=1)}


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


def matches(captions: list[Caption], values: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
    """Which caption fits which window, and which pairs are undecided; both (captions, windows)."""
    claimed = np.zeros((len(captions), len(NAMES)), dtype=np.float32)
    denied = np.zeros_like(claimed)
    for row, caption in enumerate(captions):
        claimed[row, list(caption.claimed)] = 1.0
        denied[row, list(caption.denied)] = 1.0
    true, false = (values == 1.0).astype(np.float32), (values == 0.0).astype(np.float32)
    open_ = (values == UNDECIDED).astype(np.float32)
    broken = claimed @ false.T + denied @ true.T
    unknown = (claimed + denied) @ open_.T
    return torch.from_numpy((broken == 0) & (unknown == 0)), torch.from_numpy(
        (broken == 0) & (unknown > 0)
    )


def contrast(scores: Tensor, fits: Tensor, unknown: Tensor) -> Tensor:
    """Cross-entropy toward all fitting windows alike; undecided pairs count for nothing."""
    scores = scores.masked_fill(unknown, -1e4)
    logs = scores.log_softmax(dim=1)
    count = fits.sum(dim=1)
    share = fits.float() / count.clamp(min=1)[:, None]
    loss: Tensor = -(logs * share).sum(dim=1)
    return loss[count > 0].mean()


def tell(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the attributes that are decided, scaled to the size of the others."""
    decided = (target != UNDECIDED).float()
    lost = functional.binary_cross_entropy_with_logits(
        logits, target, weight=decided, reduction="sum"
    )
    return 8.0 * lost / decided.sum()


class Trainer:
    """Both towers on their way. The same recipe on the same machine gives the same weights."""

    def __init__(self, data: Data, recipe: Recipe) -> None:
        """Begin with random weights."""
        torch.manual_seed(recipe.seed)
        self._rng = np.random.default_rng(recipe.seed)
        self._data, self._recipe = data, recipe
        self._captioner = Captioner()
        self.words = vocabulary()
        self.audio = AudioTower(recipe.widths, recipe.width).to(memory_format=torch.channels_last)
        self.text = TextTower(len(self.words) + 1)
        self._sharp = torch.nn.ParameterList(torch.tensor(2.7) for _ in range(2))
        self._parameters = [
            parameter
            for part in (self.audio, self.text, self._sharp)
            for parameter in part.parameters()
        ]
        self._optimiser = torch.optim.AdamW(
            self._parameters, lr=recipe.rate, weight_decay=recipe.decay
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
            progress = max(step / self._recipe.steps, spent / minutes)
            if progress >= 1.0:
                return
            warm = min(1.0, (step + 1) / 200)
            for group in self._optimiser.param_groups:
                group["lr"] = self._recipe.rate * warm * (0.5 + 0.5 * np.cos(np.pi * progress))
            told(step + 1, self._step(places, songs))

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        part = path.with_suffix(".part")
        checkpoint = {
            "audio": self.audio.state_dict(),
            "text": self.text.state_dict(),
            "words": self.words,
            "recipe": asdict(self._recipe),
        }
        torch.save(checkpoint, part)
        part.replace(path)

    def _step(self, places: NDArray[np.int64], songs: NDArray[np.int64]) -> Losses:
        loss, losses = self._loss(places, songs)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, 2.0)
        self._optimiser.step()
        return losses

    def _loss(self, places: NDArray[np.int64], songs: NDArray[np.int64]) -> tuple[Tensor, Losses]:
        values = self._data.values[places]
        captions, read = self._captions(values)
        fits, unknown = matches(captions, values)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            meaning, identity, logits = (one.float() for one in self.audio(*self._heard(places)))
            queries = self.text(read).float()
        for_texts, for_songs = (one.exp().clamp(max=60) for one in self._sharp)
        scores = queries @ meaning.T * for_texts
        towards = contrast(scores, fits, unknown) + contrast(scores.T, fits.T, unknown.T)
        whole = torch.cat([meaning, identity], dim=1)
        same = torch.from_numpy(songs[:, None] == songs[None, :])
        itself = torch.eye(len(songs), dtype=torch.bool)
        again = contrast((whole @ whole.T) / 2 * for_songs, same & ~itself, itself)
        told = tell(logits, torch.from_numpy(values))
        loss = towards + told + 0.5 * again
        return loss, Losses(towards.item(), told.item(), again.item())

    def _heard(self, places: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        mel = torch.from_numpy(self._data.mel[places]).float() / 255
        pitch = torch.from_numpy(self._data.pitch[places]).float() / 255
        mel = disturb(mel, self._rng)
        if self._rng.random() < 0.3:
            # Last windows of tracks, and queries, may be short.
            share = float(self._rng.uniform(0.25, 1.0))
            mel = mel[:, :, : int(share * mel.shape[2])]
            pitch = pitch[:, :, : int(share * pitch.shape[2])]
        return mel, pitch

    def _captions(self, values: NDArray[np.float32]) -> tuple[list[Caption], list[list[Token]]]:
        written = [
            self._captioner.write(row, self._rng)
            for row in values
            for _ in range(self._recipe.texts)
        ]
        found = [(caption, tokens(caption.text, self.words)) for caption in written]
        kept = [(caption, read) for caption, read in found if read]
        return [caption for caption, _ in kept], [read for _, read in kept]
