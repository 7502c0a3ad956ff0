"""What an upgrade of a library's spaces came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Renewed:
    """A space that took another revision in this run."""

    space: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class Without:
    """A track that could not be encoded anew, and keeps all else.

    Attributes:
        track: Its id.
        paths: Where its sound was.
        spaces: Those it has no vector of.
    """

    track: str
    paths: tuple[str, ...]
    spaces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """What became of the spaces, and of the tracks that are not in them."""

    spaces: tuple[Renewed, ...]
    without: tuple[Without, ...]

    def as_dict(self) -> dict[str, Any]:
        """As ``segue index --json`` shows it."""
        return {
            "spaces": [
                {"space": one.space, "before": one.before, "now": one.now} for one in self.spaces
            ],
            "without": [
                {"track": one.track, "paths": list(one.paths), "spaces": list(one.spaces)}
                for one in self.without
            ],
        }

    def in_words(self) -> str:
        """A summary in one or two sentences."""
        names = ", ".join(one.space for one in self.spaces)
        words = f" Encoded anew: {names}." if names else " No space was of another revision."
        if self.without:
            count = len(self.without)
            lacking = sorted({name for one in self.without for name in one.spaces})
            tracks = "1 track has" if count == 1 else f"{count} tracks have"
            words += (
                f" {tracks} no vector in {', '.join(lacking)}, as no file of theirs could be read, "
                "and kept all else but tags."
            )
        return words
