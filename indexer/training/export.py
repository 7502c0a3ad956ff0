"""A trained checkpoint to the file that ships: normalisation folded in, sixteen bits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor

from indexer.training.attributes import NAMES
from retrieval.encoders.cohort import Cohort
from retrieval.encoders.ear_frontend import Heard
from retrieval.encoders.ear_tokens import tokens
from retrieval.encoders.ear_towers import EarAudio, EarText
from retrieval.encoders.ear_weights import Calibration, EarWeights

Array = NDArray[np.float32]

LARGEST = 12_000_000
"""Bytes that a package may bring."""
NEAREST = 0.9999
"""Cosine that sixteen bits must keep to thirty-two."""
_TEXTS = ("calm piano", "fast rock music without drums", "a string quartet in a minor key")

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


def reader(checkpoint: Mapping[str, Any]) -> Callable[[str], Array]:
    """What a checkpoint makes of a text."""
    text = EarText(fold_text(checkpoint["text"]))
    return lambda query: text(tokens(query, checkpoint["words"]))


def _affine(arrays: Mapping[str, Array], norm: str) -> tuple[Array, Array]:
    scale = arrays[f"{norm}.weight"] / np.sqrt(arrays[f"{norm}.running_var"] + _EPSILON)
    return scale, arrays[f"{norm}.bias"] - scale * arrays[f"{norm}.running_mean"]


def write(
    path: Path,
    checkpoint: Mapping[str, Any],
    calibration: Calibration,
    cohort: Cohort | None = None,
) -> float:
    """Write the file of a checkpoint whole or, if it is not as good, not at all.

    Args:
        path: What to write.
        checkpoint: As ``train.Trainer.save`` wrote it.
        calibration: Of its attributes.
        cohort: In dimensions of meaning; without one hits have no fit.

    Returns:
        The lowest cosine of a vector by the file to that by the checkpoint.

    Raises:
        ValueError: If the checkpoint has other attributes than this code, if the file is too large,
            or if a vector is further away than ``NEAREST``.
    """
    audio, text = fold_audio(checkpoint["audio"]), fold_text(checkpoint["text"])
    if len(audio["attributes.bias"]) != len(NAMES):
        raise ValueError(
            f"{len(audio['attributes.bias'])} attributes in the checkpoint, {len(NAMES)} here"
        )
    tensors = {f"audio.{name}": _halved(value) for name, value in audio.items()}
    tensors |= {f"text.{name}": _halved(value) for name, value in text.items()}
    tensors |= {"calibration.scale": calibration.scale, "calibration.bias": calibration.bias}
    if cohort is not None:
        tensors["cohort.vectors"] = _halved(cohort.vectors)
        curve = (cohort.slope, cohort.offset, cohort.growth)
        tensors["cohort.curve"] = np.asarray(curve, dtype=np.float32)
    words = sorted(checkpoint["words"], key=checkpoint["words"].__getitem__)
    metadata = {"words": "\n".join(words), "attributes": "\n".join(NAMES)}
    metadata["digest"] = digest(tensors, metadata)
    part = path.with_name(f"{path.name}.part")
    try:
        save_file(tensors, part, metadata)
        if part.stat().st_size > LARGEST:
            raise ValueError(f"{part.stat().st_size} bytes; at most {LARGEST} may ship")
        nearest = _nearness(EarWeights(part), EarAudio(audio), EarText(text))
        if not nearest >= NEAREST:
            raise ValueError(f"cosine {nearest:.6f} to single precision; {NEAREST} is wanted")
        # Its library writes for one user only.
        part.chmod(0o644)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return nearest


def digest(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> str:
    """Of all names and values, but for a digest among the metadata; 32 hexadecimal digits."""
    found = hashlib.blake2b(digest_size=16)
    for name, value in sorted(tensors.items()):
        found.update(f"{name} {value.dtype} {value.shape}\n".encode())
        found.update(np.ascontiguousarray(value).tobytes())
    for name, text in sorted(metadata.items()):
        if name != "digest":
            found.update(f"{name}\n{text}\n".encode())
    return found.hexdigest()


def _halved(value: Array) -> NDArray[np.floating[Any]]:
    return value.astype(np.float16) if value.ndim > 1 else value


def _nearness(written: EarWeights, audio: EarAudio, text: EarText) -> float:
    rng = np.random.default_rng(0)
    loud = rng.integers(0, 256, (8, 1, 1))
    mel = (rng.integers(0, 256, (8, 64, 498)) * loud // 255).astype(np.uint8)
    pitch = (rng.integers(0, 256, (8, 144, 49)) * loud // 255).astype(np.uint8)
    heard, read = EarAudio(written.audio()), EarText(written.text())
    found: list[float] = []
    for one in map(Heard, mel, pitch):
        ours, theirs = heard(one), audio(one)
        found.append(float(ours.meaning @ theirs.meaning))
        found.append(float(ours.identity @ theirs.identity))
    queries = [tokens(one, written.words) for one in _TEXTS]
    found += [float(read(words) @ text(words)) for words in queries]
    return float(np.min(found))


def calibrate(logits: Array, values: Array) -> Calibration:
    """Platt's scaling (1999) of every attribute, by windows that were not trained on.

    An attribute with fewer than ``_FEW`` windows on either side keeps its logits as they are.

    Args:
        logits: (windows, attributes).
        values: The same; 1 true, 0 false, anything else undecided.
    """
    fitted = [_platt(*pair) for pair in zip(logits.T, values.T, strict=True)]
    scale, bias = np.asarray(fitted, dtype=np.float32).T
    return Calibration(np.ascontiguousarray(scale), np.ascontiguousarray(bias))


_FEW = 5
_RIDGE = 50.0
"""Rows. Cross-entropy leaves logits nearly calibrated: many windows correct them, few must not."""


def _platt(logits: Array, values: Array) -> tuple[float, float]:
    true, false = logits[values == 1.0], logits[values == 0.0]
    if min(len(true), len(false)) < _FEW:
        return 1.0, 0.0
    y = np.repeat([True, False], [len(true), len(false)])
    slope, offset = logistic(np.concatenate([true, false])[:, np.newaxis], y, ridge=_RIDGE)
    return float(slope), float(offset)


def logistic(
    columns: NDArray[np.floating], true: NDArray[np.bool_], *, ridge: float = 1.0
) -> NDArray[np.float64]:
    """Logistic regression: a weight for each of the columns (n, k), and the offset; (k + 1,).

    A ridge of so many rows towards the first column as it is keeps perfect ones finite.
    """
    rows = np.concatenate([columns, np.ones((len(columns), 1))], axis=1).astype(np.float64)
    found = start = np.eye(rows.shape[1])[0].astype(np.float64)
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-np.clip(rows @ found, -30.0, 30.0)))
        slope = rows.T @ (p - true) + ridge * (found - start)
        curve = (rows * (p * (1.0 - p))[:, None]).T @ rows + ridge * np.eye(rows.shape[1])
        step = np.linalg.solve(curve, slope)
        found = found - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(found)
