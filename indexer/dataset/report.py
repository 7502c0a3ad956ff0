"""What a build of a dataset did, video by video and step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from indexer.dataset.graph import Item, State
from indexer.report import Failure
from indexer.scan import printable


@dataclass(slots=True)
class DatasetReport:
    """What a build did.

    Attributes:
        steps: Their names, in order.
        items: The videos, in order of their paths.
        failed: Paths that could not be looked at.
        duplicates: Paths of videos whose content another one has.
        splits: How many videos of this run are in each split.
        seconds: Wall-clock time.
        interrupted: The run was stopped before it reached every video.
    """

    steps: Sequence[str]
    items: list[Item] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    splits: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def clean(self) -> bool:
        """Whether nothing failed; what is blocked or skipped did not."""
        steps = (done for item in self.items for done in item.done.values())
        return not self.failed and all(done.state is not State.FAILED for done in steps)

    def counts(self, step: str) -> Counter[State]:
        """How many videos are in each state of a step."""
        return Counter(item.done[step].state for item in self.items if step in item.done)

    def reasons(self, step: str) -> list[tuple[str, int]]:
        """Why videos failed or are blocked there, with how many."""
        told = Counter(
            item.done[step].message
            for item in self.items
            if step in item.done and item.done[step].state is State.BLOCKED
        )
        return told.most_common()

    def as_dict(self) -> dict[str, Any]:
        """The object of ``segue dataset build --json``."""
        return {
            "found": len(self.items) + len(self.duplicates),
            "items": [
                {
                    "path": printable(str(item.source)),
                    "name": printable(item.name),
                    "digest": item.digest,
                    "steps": {
                        name: {
                            "state": done.state.value,
                            "reason": done.reason or None,
                            "message": done.message or None,
                            "seconds": round(done.seconds, 3),
                        }
                        for name, done in item.done.items()
                    },
                }
                for item in self.items
            ],
            "steps": {
                name: {state.value: self.counts(name)[state] for state in State}
                for name in self.steps
            },
            "splits": dict(self.splits),
            "duplicates": [printable(path) for path in self.duplicates],
            "failed": [asdict(failure) for failure in self.failed],
            "seconds": round(self.seconds, 3),
            "interrupted": self.interrupted,
        }
