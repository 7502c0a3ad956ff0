"""What training makes small."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_NEVER = -1e4


def contrast(scores: Tensor, tracks: Tensor) -> Tensor:
    """InfoNCE both ways (van den Oord et al. 2018) of scores (clips, tracks) of the same pairs.

    Other pairs of the same track are neither right nor wrong: they are left out.

    Args:
        scores: (n, n); the pairs are on the diagonal.
        tracks: (n,), which track each pair has.
    """
    same = tracks[:, None] == tracks[None, :]
    itself = torch.eye(len(tracks), dtype=torch.bool, device=scores.device)
    scores = scores.masked_fill(same & ~itself, _NEVER)
    target = torch.arange(len(tracks), device=scores.device)
    towards = functional.cross_entropy(scores, target)
    back = functional.cross_entropy(scores.T, target)
    return 0.5 * (towards + back)


def likelihood(mean: Tensor, log_variance: Tensor, truth: Tensor) -> Tensor:
    """The negative log-likelihood of independent normal values; NaN in ``truth`` counts nothing."""
    there = torch.isfinite(truth)
    error = torch.where(there, truth, mean) - mean
    terms = 0.5 * (log_variance + error.square() * torch.exp(-log_variance))
    return (terms * there).sum() / there.sum().clamp(min=1)


def metric_scores(mean: Tensor, sound: Tensor, weights: Tensor) -> Tensor:
    """-1/2 sum w (q - x)^2 of clips and tracks."""
    scaled = weights.sqrt()
    q, x = mean * scaled, sound * scaled
    lengths = q.square().sum(dim=1)[:, None] + x.square().sum(dim=1)[None]
    scores: Tensor = q @ x.T - 0.5 * lengths
    return scores
