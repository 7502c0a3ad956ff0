"""Descriptors: what they cost, and how right they are."""

from __future__ import annotations

from tests.bench import describe_accuracy, describe_cost, describe_notes
from tests.bench.measure import Table


def run() -> list[Table]:
    """Costs first."""
    return [*describe_cost.run(), *describe_notes.run(), *describe_accuracy.run()]
