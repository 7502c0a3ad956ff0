"""Six emotions per second: a line of their names, then ``<second>`` and six probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.formats.files import as_number, bad, plain, read_lines, read_seconds

EMOTIONS = ("exciting", "fearful", "tense", "sad", "relaxing", "neutral")
_SLACK = 0.02


def read(path: Path) -> NDArray[np.float32]:
    """Probabilities of shape (seconds, 6), in the order of ``EMOTIONS``.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE, with the file and the line.
    """
    (line, header), *lines = read_lines(path)
    # Tools call the columns exciting or exciting_prob, and the first one time or second.
    named = [word.lower().removesuffix("_prob") for word in header[1:]]
    if sorted(named) != sorted(EMOTIONS):
        raise bad(path, f"its first line is to name the columns: time {' '.join(EMOTIONS)}", line)
    order = [named.index(name) for name in EMOTIONS]
    if not lines:
        raise bad(path, "there is no second in it")

    def row(line: int, words: list[str]) -> list[float]:
        found = [value for word in words if (value := as_number(word)) is not None]
        if len(words) != len(EMOTIONS) or len(found) != len(EMOTIONS):
            raise bad(path, f"{len(EMOTIONS)} probabilities were expected here", line)
        if not all(0.0 <= value <= 1.0 for value in found) or abs(sum(found) - 1.0) > _SLACK:
            raise bad(path, "probabilities are 0 to 1, and 1 together", line)
        return [found[place] for place in order]

    return np.asarray(read_seconds(path, lines, row), dtype=np.float32)


def to_text(values: NDArray[np.float32]) -> str:
    """The file of probabilities (seconds, 6)."""
    head = " ".join(["time", *(f"{name}_prob" for name in EMOTIONS)])
    rows = [
        " ".join([str(second), *(plain(round(value, 9)) for value in row)])
        for second, row in enumerate(np.asarray(values, dtype=np.float64).tolist())
    ]
    return "\n".join([head, *rows]) + "\n"
