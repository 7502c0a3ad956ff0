"""``segue dataset build``: every video through every step that its content has not been through."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexer.dataset import memory, splits
from indexer.dataset.given import Given
from indexer.dataset.graph import Graph, Item, digest_of, output_path, remove
from indexer.dataset.report import DatasetReport
from indexer.dataset.steps import NAMES, make_steps
from indexer.dataset.steps.meta import begin_vocabulary
from indexer.features_names import source_names
from indexer.features_npy import replace_file
from indexer.manifest import RunLock
from indexer.report import Failure
from indexer.scan import printable, scan
from indexer.stopping import stopping_on_signals
from retrieval.audio import IsolatedDecoder
from retrieval.core.errors import CancelledError, InvalidInputError, PreconditionError
from retrieval.video.clips import ClipDecoder

VIDEO_EXTENSIONS = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv"})
"""Of files that a folder scan looks at; what they really are, their content decides."""
SUMMARY, SPLITS = "dataset.json", "splits.json"
FORMAT = 1
"""Of the dataset's layout."""
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Choices of one build.

    Attributes:
        clip_weights: Folder of CLIP ViT-L/14@336.
        skip: Names of steps that are not to run.
        given: Folder of outputs made elsewhere, or None.
        resplit: Draw the splits anew; a model trained before may then be tested on what it saw.
        device: Where CLIP runs.
    """

    clip_weights: Path
    skip: frozenset[str] = field(default_factory=frozenset)
    given: Path | None = None
    resplit: bool = False
    device: str = "auto"


def build_dataset(
    paths: Sequence[str | Path],
    root: Path,
    options: BuildOptions,
    *,
    progress: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> DatasetReport:
    """Bring a dataset in step with videos.

    Args:
        paths: Files and folders.
        root: The dataset; made if need be.
        options: Choices.
        progress: Called in this thread with how many steps of all videos are done, and all.
        stop: Set it from another thread to end the run as Ctrl-C does.

    Returns:
        What happened; nothing is raised for one video or one step.

    Raises:
        InvalidInputError: There is no such step, or nothing at any of the paths.
        PreconditionError: TARGET_NOT_EMPTY: the folder holds something else.
        StoreError: STORE_LOCKED: another run builds this dataset.
        OSError: The folder cannot be written.
    """
    began = time.monotonic()
    for name in options.skip - set(NAMES):
        raise InvalidInputError(f"skip: there is no step {name[:40]!r}; use {', '.join(NAMES)}")
    stop = stop or threading.Event()
    with stopping_on_signals(stop), ExitStack() as stack:
        found = scan(paths, stop=stop.is_set, wanted=_is_video)
        if not found.roots:
            raise InvalidInputError(found.failures[0].message if found.failures else "no path")
        _begin(root)
        stack.enter_context(RunLock(root / memory.FOLDER / "run"))
        clips = stack.enter_context(ClipDecoder())
        sounds = stack.enter_context(
            IsolatedDecoder(children=1, timeout=600.0, memory=3072 * _MIB, max_samples=256 * _MIB)
        )
        weights, device = options.clip_weights, options.device
        steps = make_steps(root, clips, sounds, clip_weights=weights, device=device)
        graph = Graph(steps, Given(options.given))
        report = DatasetReport(NAMES, failed=list(found.failures))
        items = _items(root, source_names(found.files), graph, report, stop)
        done, total = 0, len(items) * len(NAMES)

        def told() -> None:
            nonlocal done
            done += 1
            if progress is not None:
                progress(done, total)

        try:
            for item in items:
                report.items.append(item)

                def finished(item: Item = item) -> None:
                    memory.remember(root, item)
                    told()

                graph.run(item, root, skip=options.skip, stopped=stop.is_set, told=finished)
        except CancelledError:
            pass
        report.interrupted = found.stopped or stop.is_set()
        _settle(root, report, steps, resplit=options.resplit)
        report.seconds = time.monotonic() - began
        return report


def _begin(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()) and not (root / memory.FOLDER).is_dir():
        raise PreconditionError(
            f"{root}: not empty, and no dataset of Segue; name another folder with --output",
            reason="TARGET_NOT_EMPTY",
        )
    (root / memory.FOLDER).mkdir(exist_ok=True)
    begin_vocabulary(root)


def _items(
    root: Path,
    names: dict[str, str],
    graph: Graph,
    report: DatasetReport,
    stop: threading.Event,
) -> list[Item]:
    items: dict[str, Item] = {}
    for path, name in names.items():
        if stop.is_set():
            break
        try:
            digest = digest_of(Path(path))
        except OSError as error:
            message = f"cannot be read: {error.strerror or error}"
            report.failed.append(Failure(printable(path), "FILE_UNREADABLE", message))
            continue
        if digest in items:
            # The same video twice could be trained on and tested with.
            report.duplicates.append(path)
            continue
        before, steps = memory.recall(root, digest)
        items[digest] = Item(Path(path), name, digest, steps)
        if before is not None and before != name:
            _rename(root, before, name, graph)
    return list(items.values())


def _rename(root: Path, before: str, name: str, graph: Graph) -> None:
    """Let the outputs of a video that was renamed follow it."""
    for step in graph.steps:
        old, new = output_path(root, step, before), output_path(root, step, name)
        if old.exists():
            new.parent.mkdir(parents=True, exist_ok=True)
            remove(new)
            old.rename(new)


def _settle(root: Path, report: DatasetReport, steps: Sequence[Any], *, resplit: bool) -> None:
    """Write which videos there are, what there is of each, and which split it is in."""
    path = root / SPLITS
    known = {} if resplit else splits.read_splits(path)
    digests = [item.digest for item in report.items]
    # Drawn once all videos are there to draw from.
    assigned = known if report.interrupted and not known else splits.assign(known, digests)
    replace_file(path, splits.to_text(assigned).encode())
    report.splits.update(assigned[digest] for digest in digests if digest in assigned)
    summary = {
        "format": FORMAT,
        "steps": {step.name: step.version for step in steps},
        "items": [
            {
                "name": printable(item.name),
                "digest": item.digest,
                "split": assigned.get(item.digest),
                "steps": {name: done.state.value for name, done in item.done.items()},
                "files": {
                    step.name: printable(str(output_path(Path(), step, item.name)))
                    for step in steps
                    if step.name in item.done and item.done[step.name].there
                },
            }
            for item in report.items
        ],
    }
    replace_file(root / SUMMARY, (json.dumps(summary, indent=1) + "\n").encode())


def _is_video(path: str) -> bool:
    return Path(path).suffix.lower() in VIDEO_EXTENSIONS
