"""Numbers of the rhythm and harmony descriptors, fitted on rendered songs.

``indexer/training/descriptors.py`` fits them, all as linear models whose inputs stand beside where
they are used, and writes the file; songs that it fitted on are in no set that accuracy is stated
for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

FILE = Path(__file__).with_name("fitted.safetensors")

Tables = Mapping[str, NDArray[np.float32]]

_used: list[Tables] = []


def fitted(name: str) -> NDArray[np.float32]:
    """A table by name; nobody changes it."""
    return (_used[-1] if _used else _shipped())[name]


def use(tables: Tables) -> None:
    """Take these tables instead of those of the file, in this process."""
    _used[:] = [tables]


@cache
def _shipped() -> Tables:
    return dict(load_file(FILE))
