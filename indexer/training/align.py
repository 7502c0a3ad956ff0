"""The last part of the training: texts and the meaning of sounds, with all else held still.

What the audio tower hears is worked out once, so that a step costs little more than its texts, and
what words and denials point at settles in minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from indexer.training.attributes import decide
from indexer.training.losses import UNDERSTOOD, meet, understand
from indexer.training.model import AudioTower, TextTower
from indexer.training.reading import Texts, fall, grow, read
from indexer.training.shards import read_shard
from indexer.training.train import Recipe, write

DENIAL = 0.35
"""The least that keeps nine in ten of what is denied from the first ten, on the valid shards."""
_FEWEST = 20
_BATCH = 256
"""Windows of a batch, one caption each."""


def align(
    checkpoint: Path,
    folder: Path,
    names: Sequence[str],
    *,
    minutes: float,
    told: Callable[[int, float], None],
) -> None:
    """Train the text tower and the projection of meaning of a checkpoint, in its place.

    Words that came to the lexicons since it was written are learnt with the others.

    Args:
        checkpoint: Of ``train.Trainer.save``.
        folder: Of the shards.
        names: Shards to learn from.
        minutes: Of wall-clock time, hearing not counted.
        told: Called after every step with its number, from 1, and its loss.
    """
    state = torch.load(checkpoint, weights_only=True)
    recipe = Recipe(**state["recipe"])
    torch.manual_seed(recipe.seed)
    audio = AudioTower(recipe.widths, recipe.width)
    audio.load_state_dict(state["audio"])
    weights, words = grow(state["text"], state["words"])
    text = TextTower(len(words) + 1)
    text.load_state_dict(weights)
    heard, values = hear(audio, folder, names)
    part = audio.meaning
    text.denials.zero_()
    _align(part, text, heard, values, words=words, recipe=recipe, minutes=minutes, told=told)
    text.denials.copy_(denials(part, heard, values))
    write(checkpoint, audio, text, words, asdict(recipe))


def hear(
    audio: AudioTower, folder: Path, names: Sequence[str]
) -> tuple[Tensor, NDArray[np.float32]]:
    """What the projection of meaning gets of every window, float16, and the attributes of each."""
    audio.eval()
    heard, values = [], []
    for name in names:
        shard = read_shard(folder, name)
        for start in range(0, len(shard.mel), 64):
            mel, pitch = (
                torch.from_numpy(pictures[start : start + 64]).float() / 255
                for pictures in (shard.mel, shard.pitch)
            )
            with torch.no_grad():
                heard.append(audio.told(*audio.hear(mel, pitch)).half())
        values += [decide(t, mel) for t, mel in zip(shard.truths, shard.mel, strict=True)]
    return torch.cat(heard), np.stack(values)


def denials(meaning: nn.Linear, heard: Tensor, values: NDArray[np.float32]) -> Tensor:
    """What each denied attribute takes away from a text's meaning: (attributes, MEANING).

    The direction from the sounds without it to those with it, of length ``DENIAL``: rock without
    drums is nearer to rock with them than to anything else until they are taken away. Zero for an
    attribute that hardly any window has.
    """
    with torch.no_grad():
        meanings = functional.normalize(meaning(heard.float()), dim=1).numpy()
    found = np.zeros((values.shape[1], meanings.shape[1]), dtype=np.float32)
    for place, column in enumerate(values.T):
        true, false = meanings[column == 1.0], meanings[column == 0.0]
        if min(len(true), len(false)) >= _FEWEST:
            difference = true.mean(axis=0) - false.mean(axis=0)
            found[place] = DENIAL * difference / np.linalg.norm(difference)
    return torch.from_numpy(found)


def _align(
    meaning: nn.Linear,
    text: TextTower,
    heard: Tensor,
    values: NDArray[np.float32],
    *,
    words: dict[str, int],
    recipe: Recipe,
    minutes: float,
    told: Callable[[int, float], None],
) -> None:
    rng = np.random.default_rng([recipe.seed, 0xA1])
    texts = Texts(words, rng)
    sharp = nn.ParameterList(torch.tensor(3.0) for _ in range(2))
    offset = nn.Parameter(torch.tensor(-6.0))
    parameters = [*text.parameters(), *meaning.parameters(), *sharp.parameters(), offset]
    optimiser = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=recipe.decay)
    began, step = time.monotonic(), 0
    while (progress := (time.monotonic() - began) / 60.0 / minutes) < 1.0:
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * fall(progress, step, 100)
        places = rng.integers(0, len(values), _BATCH)
        captions, found = texts.write(values[places])
        queries, claims = read(text, found)
        sounds = functional.normalize(meaning(heard[torch.from_numpy(places)].float()), dim=1)
        loss = meet((queries, sounds), captions, values[places], (sharp[0], sharp[1]), offset)
        loss = loss + UNDERSTOOD * understand(claims, captions)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 2.0)
        optimiser.step()
        step += 1
        told(step, float(loss.item()))
