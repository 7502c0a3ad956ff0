"""Texts to learn from, and how a text tower learns what they claim before it meets any sound."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from indexer.training.captions import Caption, Captioner
from indexer.training.lexicon import LANGUAGES, lexicon
from indexer.training.losses import understand
from indexer.training.model import TextTower
from indexer.training.wordnet import synonyms
from retrieval.encoders.ear_tokens import Token, split, tokens

_TOGETHER = 64
"""Texts of about one length that are read at once."""


def vocabulary() -> dict[str, int]:
    """Every word of the lexicons, then those of WordNet where it is installed, from 1 on.

    0 is for words that are in none.
    """
    words: dict[str, None] = {}
    for language in LANGUAGES:
        for phrase in lexicon(language).phrases():
            words.update(dict.fromkeys(split(phrase)))
    for forms in synonyms().values():
        for phrase in chain.from_iterable(forms.values()):
            words.update(dict.fromkeys(split(phrase)))
    return {word: place for place, word in enumerate(words, start=1)}


def grow(
    state: Mapping[str, Tensor], old: dict[str, int]
) -> tuple[dict[str, Tensor], dict[str, int]]:
    """A text tower's weights with the words of ``vocabulary`` that it does not have yet.

    A new word begins between the old words for what it means, so that little is left to learn.

    Args:
        state: Of a ``TextTower``.
        old: Its words.

    Returns:
        The weights, and all words: old ones keep their places.
    """
    words = dict(old)
    for word in vocabulary():
        words.setdefault(word, len(words) + 1)
    table = state["words.weight"]
    rows = torch.cat([table, 0.05 * torch.randn(len(words) + 1 - len(table), table.shape[1])])
    plain = lexicon("en").forms
    for name, forms in synonyms().items():
        for form, phrases in forms.items():
            known = {word for phrase in plain[name][form] for word in split(phrase)} & old.keys()
            middle = table[[old[word] for word in sorted(known)]].mean(dim=0)
            for word in {word for phrase in phrases for word in split(phrase)} - old.keys():
                rows[words[word]] = middle
    return {**state, "words.weight": rows}, words


class Texts:
    """Captions of windows, as tokens."""

    def __init__(self, words: dict[str, int], rng: np.random.Generator) -> None:
        """Write with this vocabulary and these choices."""
        self._words, self._rng = words, rng
        self._captioner = Captioner(synonyms())

    def write(
        self, values: NDArray[np.float32], each: int = 1
    ) -> tuple[list[Caption], list[list[Token]]]:
        """``each`` captions of every window, of those that have a token."""
        written = [self._captioner.write(row, self._rng) for row in values for _ in range(each)]
        found = [(caption, tokens(caption.text, self._words)) for caption in written]
        kept = [(caption, read) for caption, read in found if read]
        return [caption for caption, _ in kept], [read for _, read in kept]


def read(tower: TextTower, texts: Sequence[list[Token]]) -> tuple[Tensor, Tensor]:
    """What the tower makes of texts, in their order.

    Most texts are far shorter than the longest: read together, they would mostly be padding.
    """
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    parts = [order[start : start + _TOGETHER] for start in range(0, len(order), _TOGETHER)]
    found = [tower([texts[place] for place in part]) for part in parts]
    back = torch.from_numpy(np.argsort(order))
    meaning, claims = (torch.cat(both)[back] for both in zip(*found, strict=True))
    return meaning, claims


def fall(progress: float, step: int, warm: int) -> float:
    """Share of the highest learning rate: a short rise, then half a cosine."""
    return min(1.0, (step + 1) / warm) * (0.5 + 0.5 * float(np.cos(np.pi * min(1.0, progress))))


def learn_to_read(
    tower: TextTower,
    values: NDArray[np.float32],
    texts: Texts,
    rng: np.random.Generator,
    *,
    steps: int,
    rate: float,
    told: Callable[[int, float], None],
) -> None:
    """Teach a text tower what captions claim and deny. Together with sounds it takes far longer.

    Args:
        tower: Changed in place.
        values: Attributes of windows, (windows, attributes), to write captions of.
        texts: Writes them.
        rng: Chooses windows.
        steps: Batches of 256 captions.
        rate: Highest learning rate.
        told: Called after every step with its number, from 1, and its loss.
    """
    optimiser = torch.optim.AdamW(tower.parameters(), lr=rate, weight_decay=0.02)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * fall(step / steps, step, 50)
        captions, found = texts.write(values[rng.integers(0, len(values), 256)])
        loss = understand(read(tower, found)[1], captions)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 5.0)
        optimiser.step()
        told(step + 1, float(loss.item()))
