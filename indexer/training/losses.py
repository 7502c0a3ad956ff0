"""What training makes small."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from indexer.training.attributes import NAMES, UNDECIDED
from indexer.training.captions import Caption

UNDERSTOOD = 0.1
"""Weight of ``understand`` beside ``meet``."""


def said(captions: Sequence[Caption]) -> NDArray[np.float32]:
    """What captions claim, and then what they deny: (captions, 2 * attributes), 0 or 1."""
    found = np.zeros((len(captions), 2 * len(NAMES)), dtype=np.float32)
    for row, caption in enumerate(captions):
        found[row, list(caption.claimed)] = 1.0
        found[row, [len(NAMES) + place for place in caption.denied]] = 1.0
    return found


def matches(captions: Sequence[Caption], values: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
    """Which caption fits which window, and which pairs are undecided; both (captions, windows)."""
    claimed, denied = np.split(said(captions), 2, axis=1)
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


def judge(scores: Tensor, fits: Tensor, unknown: Tensor) -> Tensor:
    """Cross-entropy of whether each text fits each window, both answers counting alike.

    It gives scores one level for all texts, so that a text about nothing that is there is known.
    """
    lost = functional.binary_cross_entropy_with_logits(scores, fits.float(), reduction="none")
    loss: Tensor = lost[fits].mean() + lost[~fits & ~unknown].mean()
    return loss


def meet(
    meanings: tuple[Tensor, Tensor],
    captions: Sequence[Caption],
    values: NDArray[np.float32],
    sharp: tuple[Tensor, Tensor],
    offset: Tensor,
) -> Tensor:
    """What brings texts and sounds together, both ways round, and on one level for all texts.

    Args:
        meanings: Of texts and of sounds, (captions, n) and (windows, n), of length 1.
        captions: The texts.
        values: Attributes of the sounds.
        sharp: Logarithms of what likeness is multiplied by, to be told apart and to be judged.
        offset: Added where it is judged.
    """
    fits, unknown = matches(captions, values)
    alike = meanings[0] @ meanings[1].T
    apart, level = (one.exp().clamp(max=60) for one in sharp)
    scores = alike * apart
    both = contrast(scores, fits, unknown) + contrast(scores.T, fits.T, unknown.T)
    return both + 2.0 * judge(alike * level + offset, fits, unknown)


def tell(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of the attributes that are decided, scaled to the size of the others."""
    decided = (target != UNDECIDED).float()
    lost = functional.binary_cross_entropy_with_logits(
        logits, target, weight=decided, reduction="sum"
    )
    return 8.0 * lost / decided.sum()


def understand(claims: Tensor, captions: Sequence[Caption]) -> Tensor:
    """Cross-entropy of what texts claim and deny, summed over attributes, a mean over texts."""
    target = torch.from_numpy(said(captions))
    lost = functional.binary_cross_entropy_with_logits(claims, target, reduction="sum")
    return lost / len(captions)
