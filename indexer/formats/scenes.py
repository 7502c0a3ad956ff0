"""Scenes per second: ``<second> <id> <offset>``, the offset in seconds from the scene's start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.formats.files import as_number, bad, plain, read_lines, read_seconds


def read(path: Path) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Ids from 0 on and offsets in seconds, both of shape (seconds,).

    Raises:
        InvalidInputError: FEATURES_UNREADABLE, with the file and the line.
    """

    def row(line: int, words: list[str]) -> tuple[int, float]:
        numbers = [as_number(word) for word in words]
        if len(numbers) != 2 or numbers[0] is None or numbers[1] is None:
            raise bad(path, "a line is to be '<second> <id> <offset>'", line)
        number, offset = numbers[0], numbers[1]
        if number != int(number) or not 0 <= number < 1_000_000 or offset < 0:
            raise bad(path, "ids are whole numbers from 0 on, and offsets not below 0", line)
        return int(number), offset

    rows = read_seconds(path, read_lines(path), row)
    ids = np.asarray([number for number, _ in rows], dtype=np.int32)
    return ids, np.asarray([offset for _, offset in rows], dtype=np.float32)


def to_text(ids: NDArray[np.int32], offsets: NDArray[np.float32]) -> str:
    """The file of ids and offsets, both (seconds,)."""
    pairs = zip(ids.tolist(), np.asarray(offsets, dtype=np.float64).tolist(), strict=True)
    return "".join(f"{t} {number} {plain(round(o, 6))}\n" for t, (number, o) in enumerate(pairs))
