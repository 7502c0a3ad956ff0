"""Training, validation and test parts that share no track and no source of clips."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.learning.csv_rows import bad

PARTS = ("train", "validation", "test")
SHARES = (0.7, 0.15, 0.15)
LEAST = 4
"""Groups that must be there before anything can be set apart."""


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Places of the rows of each part, in increasing order."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def fitted(self) -> NDArray[np.int64]:
        """All that is learned from once everything is chosen: training and validation."""
        return np.sort(np.concatenate([self.train, self.validation]))


def split(keys: Sequence[tuple[str, ...]], asked: Sequence[str | None], seed: int) -> Split:
    """Divide rows so that none of a part shares a key with one of another.

    Rows that share a key, directly or through others, are one group. Groups are shuffled and given,
    the largest first, to the part that lacks most of its share; a group with rows that ask for a
    part goes there.

    Args:
        keys: What ties each row to others: a source and a track, say.
        asked: The part that each row asks for, or None.
        seed: Of the shuffling.

    Raises:
        InvalidInputError: INVALID_METADATA if rows that hang together ask for different parts, or
            too few groups are there for three parts.
    """
    groups = _groups(keys)
    sizes = dict.fromkeys(PARTS, 0)
    chosen: dict[str, list[int]] = {part: [] for part in PARTS}
    free: list[list[int]] = []
    for group in groups:
        wanted = {asked[row] for row in group} - {None}
        if len(wanted) > 1:
            shared = Counter(key for row in group for key in keys[row]).most_common(1)[0][0]
            raise bad(
                f"column 'split': {' and '.join(sorted(map(str, wanted)))} share a track or source "
                f"({shared!r}, say): what is tested on must not have been learned from"
            )
        if wanted:
            part = str(wanted.pop())
            chosen[part] += group
            sizes[part] += len(group)
        else:
            free.append(group)
    order = np.random.default_rng(seed).permutation(len(free))
    total = len(keys)
    for place in sorted(order, key=lambda place: -len(free[place])):
        lacks = {p: s * total - sizes[p] for p, s in zip(PARTS, SHARES, strict=True)}
        # The largest groups first, and of equal needs the training's.
        part = max(PARTS, key=lambda part: (lacks[part] / total, part == "train"))
        chosen[part] += free[place]
        sizes[part] += len(free[place])
    empty = [part for part in PARTS if not chosen[part]]
    if len(groups) < LEAST or empty:
        largest = max(groups, key=len)
        raise bad(
            f"{len(keys)} rows make {len(groups)} groups that share no track and no source, the "
            f"largest of {len(largest)} rows; nothing is left for {', '.join(empty) or 'a test'}. "
            "Give more sources and tracks, or name the sources more finely"
        )
    return Split(*(np.array(sorted(chosen[part]), dtype=np.int64) for part in PARTS))


def _groups(keys: Sequence[tuple[str, ...]]) -> list[list[int]]:
    parent = list(range(len(keys)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first: dict[tuple[int, str], int] = {}
    for row, several in enumerate(keys):
        for kind, key in enumerate(several):
            parent[root(row)] = root(first.setdefault((kind, key), row))
    groups: dict[int, list[int]] = defaultdict(list)
    for row in range(len(keys)):
        groups[root(row)].append(row)
    return list(groups.values())
