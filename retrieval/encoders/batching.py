"""Batches without padding."""

from __future__ import annotations

from collections.abc import Sequence


def by_length(lengths: Sequence[int], batch: int) -> list[list[int]]:
    """Places of inputs of equal length together, so that none has to be padded.

    Args:
        lengths: Of the inputs.
        batch: Inputs in one group at most, >= 1.

    Returns:
        Groups of places in ``lengths``, shortest inputs first; every place is in one group.
    """
    groups: dict[int, list[int]] = {length: [] for length in sorted(set(lengths))}
    for place, length in enumerate(lengths):
        groups[length].append(place)
    return [g[i : i + batch] for g in groups.values() for i in range(0, len(g), batch)]
