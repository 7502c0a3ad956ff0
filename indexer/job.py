"""One file on its way through a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexer.describing import Described
from indexer.plan import Plan
from indexer.rows import FileRow
from retrieval.core.payload import PayloadValue


@dataclass(slots=True, eq=False)
class Job:
    """One file on its way.

    Attributes:
        plan: What was to be done at first.
        row: As it will be written, once the recording is known.
        digest: Stream digest, once probed.
        tags: From the file, once probed.
        spaces: To be encoded in.
        descriptors: To be described by.
        described: What they told, once they have.
        claims: Sounds that other files wait for this one to bring in.
    """

    plan: Plan
    row: FileRow | None = None
    digest: str | None = None
    tags: dict[str, PayloadValue] = field(default_factory=dict)
    spaces: tuple[str, ...] = ()
    descriptors: tuple[str, ...] = ()
    described: Described | None = None
    claims: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The file's path."""
        return self.plan.file.path
