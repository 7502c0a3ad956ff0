"""Shards of windows with their truth: rendered once, read many times.

A shard is one folder's ``NAME.npz`` (``mel`` and ``pitch``, uint8, as ``ear_frontend.listen``) and
``NAME.jsonl`` (one ``Truth`` a line).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.training.truth import Truth


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """Windows in memory: ``mel`` (n, bands, frames), ``pitch`` (n, bins, frames), their truths."""

    mel: NDArray[np.uint8]
    pitch: NDArray[np.uint8]
    truths: tuple[Truth, ...]


def read_shard(folder: Path, name: str) -> Shard:
    """A shard that ``dataset.write_shard`` wrote.

    Raises:
        FileNotFoundError: If it was not.
    """
    with np.load(folder / f"{name}.npz") as arrays:
        mel, pitch = arrays["mel"], arrays["pitch"]
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return Shard(mel, pitch, tuple(Truth.from_dict(json.loads(line)) for line in lines))


def read_split(folder: Path, split: str) -> list[Shard]:
    """All shards of a split (``dataset.SPLITS``) that are there, in order."""
    return [
        read_shard(folder, name) for name in sorted(p.stem for p in folder.glob(f"{split}-*.jsonl"))
    ]
