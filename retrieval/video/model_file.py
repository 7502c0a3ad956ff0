"""Trained models in safetensors files: nothing in them is run, and nothing is taken on trust."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.video.model_card import KEY, Card, invalid, parse_card

MAX_BYTES = 1 << 30
"""Largest file of a model."""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """A model as it was read.

    Attributes:
        name: The file's name without its extension.
        card: What it says about itself.
        tensors: Its weights by name, finite float32, of the shapes that the card asks for.
    """

    name: str
    card: Card
    tensors: Mapping[str, Array]


def read_model(path: Path, task: str) -> TrainedModel:
    """Read and check a file that ``segue train`` wrote.

    Args:
        path: The file.
        task: What it must be for: ``recommender`` or ``video-features``.

    Raises:
        PreconditionError: MODEL_MISSING if there is no such file; MODEL_INVALID if it is truncated,
            no such model, for another task, or holds weights that are not finite, missing, too many
            or of another shape; FEATURE_SET_MISMATCH if its dimensions or their order are others.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise invalid(path, "there is no such file", "MODEL_MISSING")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise invalid(path, f"larger than {MAX_BYTES} bytes")
        with safe_open(path, framework="np") as file:
            card = parse_card(path, (file.metadata() or {}).get(KEY))
            if card.task != task:
                raise invalid(path, f"this model is for {card.task}, not for {task}")
            expected = expected_shapes(card)
            names = set(file.keys())
            if names != expected.keys():
                odd = ", ".join(sorted(names ^ expected.keys())[:4])
                raise invalid(path, f"weights are missing or do not belong to it: {odd}")
            found = {name: _tensor(path, name, file, shape) for name, shape in expected.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise invalid(path, f"truncated, or no safetensors file ({error})") from error
    return TrainedModel(path.stem, card, found)


def _tensor(path: Path, name: str, file: object, shape: tuple[int, ...]) -> Array:
    view = file.get_slice(name)  # type: ignore[attr-defined]
    # Looked at before anything of that size is allocated.
    if tuple(view.get_shape()) != shape or view.get_dtype() != "F32":
        raise invalid(path, f"weights {name!r} must be float32 of shape {shape}")
    values = np.asarray(file.get_tensor(name))  # type: ignore[attr-defined]
    if not np.isfinite(values).all():
        raise invalid(path, f"weights {name!r} are not all finite")
    return values


def expected_shapes(card: Card) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights that a card promises."""
    shapes = _scales(card)
    layers = {"mlp": _mlp, "temporal": _temporal, "ridge": _ridge}[card.kind](card)
    for name, (rows, columns) in layers.items():
        shapes |= {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}
    if card.kind == "temporal":
        width = card.shape.width
        for number in range(card.shape.layers):
            layer = f"layers.{number}"
            shapes[f"{layer}.self_attn.in_proj_weight"] = (3 * width, width)
            shapes[f"{layer}.self_attn.in_proj_bias"] = (3 * width,)
            for norm in ("norm1", "norm2"):
                shapes |= {f"{layer}.{norm}.weight": (width,), f"{layer}.{norm}.bias": (width,)}
        shapes |= {"norm.weight": (2 * width,), "norm.bias": (2 * width,)}
    return shapes


def _scales(card: Card) -> dict[str, tuple[int, ...]]:
    wide = {"frames": card.shape.frame_dim, "series": card.series}
    return {
        f"scale.{part}.{what}": (n,) for part, n in wide.items() if n for what in ("mean", "std")
    }


def _mlp(card: Card) -> dict[str, tuple[int, int]]:
    width, inputs, outputs = card.shape.width, len(card.inputs), len(card.outputs)
    return {
        "main.inner": (width, inputs - 2),
        "main.outer": (width, width),
        "main.head": (outputs - 2, width),
        "mood.inner": (width, 2),
        "mood.head": (2, width),
        "emotion": (len(card.emotions), 2 * width),
    }


def _temporal(card: Card) -> dict[str, tuple[int, int]]:
    width, outputs = card.shape.width, len(card.outputs)
    layers = {
        "dims.inner": (width, 2 * len(card.inputs)),
        "dims.outer": (width, width),
        "mean": (outputs, 2 * width),
        "spread": (outputs, 2 * width),
    }
    if card.shape.frame_dim:
        layers["frames"] = (width, card.shape.frame_dim)
    if card.series:
        layers["series"] = (width, card.series)
    if card.emotions:
        layers["emotion"] = (len(card.emotions), 2 * width)
    if card.projection is not None:
        layers["project.inner"] = (2 * width, 2 * width)
        layers["project.outer"] = (card.projection.dim, 2 * width)
    for number in range(card.shape.layers):
        layers[f"layers.{number}.self_attn.out_proj"] = (width, width)
        layers[f"layers.{number}.linear1"] = (4 * width, width)
        layers[f"layers.{number}.linear2"] = (width, 4 * width)
    return layers


def _ridge(card: Card) -> dict[str, tuple[int, int]]:
    pooled = 2 * len(card.inputs) + 3 * (card.shape.frame_dim + card.series)
    return {"linear": (len(card.outputs), pooled)}
