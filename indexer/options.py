"""What a caller can choose about an index run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from retrieval.core.cores import usable_cores


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """Choices of one index run.

    Attributes:
        workers: Processes that decode and prepare, 1 to 1024; the default is one per usable core.
        prune: Take out of the library what is gone from under the given paths.
        metadata: CSV or JSON file with more payload per file; see ``indexer.sidecar``.
        tags: File of labels to tag by from now on, see ``indexer.tagging_labels``; None for those
            that are remembered for the library, if any.
        no_tags: Tag no new tracks from now on; not with ``tags``.
        batch: Tracks to write together at most, 1 to 256.
        file_timeout: Wall-clock seconds one file may take to read and prepare on top of those its
            sound takes to play, at least 0.1.
        max_duration: Longest sound to index, in seconds; None means the decoder's own limit.
        device: Where models run, as ``retrieval.settings.Settings.device``; empty means where the
            encoders are loaded. With several devices, each but the first gets a process.
        step: Seconds of sound to encode at once at most, counted in every space, 1 to 86,400.
        descriptors: Names of those to describe tracks by, see ``retrieval.describe.registry``; what
            a track was told by others stays.
        spool_from: Bytes of prepared sound of one file, above which it waits for its encoding on
            disk, beside the manifest.
        upgrade: Spaces that may take the revision of their encoder here, losing what another one
            made, and are encoded anew for all files that are known; empty means any, None none.
    """

    workers: int = field(default_factory=usable_cores)
    prune: bool = False
    metadata: Path | None = None
    tags: Path | None = None
    no_tags: bool = False
    batch: int = 32
    file_timeout: float = 900.0
    max_duration: float | None = None
    device: str = ""
    step: float = 640.0
    descriptors: tuple[str, ...] = ()
    spool_from: int = 32 * 1024**2
    upgrade: frozenset[str] | None = None
