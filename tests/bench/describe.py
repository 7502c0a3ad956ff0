"""Descriptors: what they cost, and how right they are."""

from __future__ import annotations

from tests.bench import describe_accuracy, describe_cost, describe_forms, describe_notes
from tests.bench.measure import Table


def run() -> list[Table]:
    """Costs first."""
    right = (describe_notes, describe_accuracy, describe_forms)
    return [*describe_cost.run(), *(table for part in right for table in part.run())]
