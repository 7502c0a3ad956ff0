"""Numbers of the rhythm and harmony descriptors, fitted on rendered songs.

``indexer/training/descriptors.py`` fits them, all as linear models whose inputs stand beside where
they are used, and writes the file; songs that it fitted on are in no set that accuracy is stated
for.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

FILE = Path(__file__).with_name("fitted.safetensors")


@cache
def fitted(name: str) -> NDArray[np.float32]:
    """A table by name; nobody changes it."""
    return np.asarray(_tables()[name], dtype=np.float32)


@cache
def _tables() -> dict[str, NDArray[np.float32]]:
    return dict(load_file(FILE))
