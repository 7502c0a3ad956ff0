"""A trained checkpoint to the arrays that ship: normalisation folded in, sixteen bits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float32]

_EPSILON = 1e-5
"""Of batch normalisation."""


def fold_audio(state: Mapping[str, Tensor]) -> dict[str, Array]:
    """Weights of ``ear_towers.EarAudio`` from those of ``model.AudioTower``."""
    arrays = {name: value.float().numpy() for name, value in state.items()}
    found: dict[str, Array] = {}
    for name, value in arrays.items():
        owner, _, leaf = name.rpartition(".")
        if owner.endswith(("norm", "input")) or leaf == "num_batches_tracked":
            continue
        norm = f"{owner}_norm"
        if f"{norm}.weight" in arrays:
            if leaf == "weight":
                scale, shift = _affine(arrays, norm)
                before = arrays.get(f"{owner}.bias", np.zeros_like(shift))
                found[name] = value * scale.reshape(-1, *[1] * (value.ndim - 1))
                found[f"{owner}.bias"] = shift + scale * before
        else:
            found[name] = value
    scale, shift = _affine(arrays, "timbre.input")
    found["timbre.input.weight"], found["timbre.input.bias"] = scale, shift
    for name, value in found.items():
        # A kernel of one by one is a matrix.
        if value.ndim == 4 and value.shape[2:] == (1, 1):
            found[name] = value[:, :, 0, 0]
    return {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in found.items()}


def fold_text(state: Mapping[str, Tensor]) -> dict[str, Array]:
    """Weights of ``ear_towers.EarText`` from those of ``model.TextTower``."""
    return {name: value.float().numpy() for name, value in state.items()}


def _affine(arrays: Mapping[str, Array], norm: str) -> tuple[Array, Array]:
    scale = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + _EPSILON)
    return scale, arrays[f"{norm}.bias"] - scale * arrays[f"{norm}.running_mean"]
