"""One number per second: ``<second> <value>``, as loudness, note density and motion are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.formats.files import as_number, bad, plain, read_lines, read_seconds

LOUDNESS = (0.0, 1.0)
"""Linear RMS, not LUFS."""
NOTE_DENSITY = (0.0, 10_000.0)
"""Notes that begin within the second."""
MOTION = (0.0, 255.0)
"""Mean absolute difference of a frame and the one before, of 8-bit grey levels."""


def read(path: Path, bounds: tuple[float, float]) -> NDArray[np.float32]:
    """Values of shape (seconds, 1).

    Args:
        path: The file.
        bounds: Least and greatest value, both allowed.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE, with the file and the line.
    """
    low, high = bounds

    def value(line: int, words: list[str]) -> float:
        found = as_number(words[0]) if len(words) == 1 else None
        if found is None or not low <= found <= high:
            shown = " ".join(words)[:40]
            raise bad(path, f"a number from {low:g} to {high:g} was expected, not {shown!r}", line)
        return found

    rows = read_seconds(path, read_lines(path), value)
    return np.asarray(rows, dtype=np.float32).reshape(-1, 1)


def to_text(values: Sequence[float] | NDArray[np.float32]) -> str:
    """The file of values (seconds,) or (seconds, 1)."""
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    return "".join(f"{second} {plain(round(v, 9))}\n" for second, v in enumerate(flat.tolist()))
