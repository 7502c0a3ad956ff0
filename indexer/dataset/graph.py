"""Steps that depend on each other, and which have to run: keys by content, never by path."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Protocol

from indexer.dataset.given import Given
from indexer.formats.files import bad
from retrieval.core.errors import CancelledError, SegueError

_CHUNK = 1 << 20


class State(Enum):
    """What became of one step of one video."""

    OK = "ok"
    CACHED = "cached"
    SKIPPED = "skipped"
    FAILED = "failed"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Work:
    """One step of one video.

    Attributes:
        source: The video.
        name: Of the video in the dataset, for errors.
        inputs: What the steps before it made, by step; of ``uses`` only those there are.
        target: Where to write; a path that nothing is at.
        stopped: Asked now and then whether to give up.
    """

    source: Path
    name: str
    inputs: Mapping[str, Path]
    target: Path
    stopped: Callable[[], bool]

    def check(self) -> None:
        """Give up if that is wanted.

        Raises:
            CancelledError: It is.
        """
        if self.stopped():
            raise CancelledError("interrupted")


class Step(Protocol):
    """One step: what it needs, and how it is done. Used by one thread.

    Attributes:
        name: Of its folder too.
        version: To be raised with any change of a value.
        extension: Of its file; empty for a folder.
        needs: Steps whose outputs it must have.
        uses: Steps whose outputs it takes where there are any.
    """

    name: str
    version: int
    extension: str
    needs: tuple[str, ...]
    uses: tuple[str, ...]

    def parameters(self) -> Mapping[str, object]:
        """All that changes its output beside its inputs; JSON, with the digest of any model.

        Raises:
            SegueError: It cannot be done on this machine, because of what is not there.
        """
        ...

    def run(self, work: Work) -> None:
        """Write ``work.target``.

        Raises:
            SegueError: This video cannot be dealt with.
            CancelledError: The run was stopped.
        """
        ...


@dataclass(slots=True)
class Done:
    """What is known of one step of one video.

    Attributes:
        state: What became of it in this run.
        key: Of all that its output follows from; empty if there is no output.
        mark: ``fingerprint`` of the output; empty likewise.
        reason: Why it failed or is blocked, as a stable code.
        message: The same in words.
        seconds: How long it took.
    """

    state: State
    key: str = ""
    mark: str = ""
    reason: str = ""
    message: str = ""
    seconds: float = 0.0

    @property
    def there(self) -> bool:
        """Whether its output can be used."""
        return bool(self.key)


@dataclass(slots=True)
class Item:
    """One video on its way through the graph.

    Attributes:
        source: The file.
        name: Of its outputs, relative, without extension.
        digest: Of its bytes.
        earlier: What an earlier run knows of its steps.
        done: What this run knows.
    """

    source: Path
    name: str
    digest: str
    earlier: Mapping[str, Done] = field(default_factory=dict)
    done: dict[str, Done] = field(default_factory=dict)


class Graph:
    """The steps in an order in which each comes after what it needs."""

    def __init__(self, steps: Sequence[Step], given: Given) -> None:
        """Sort the steps.

        Args:
            steps: Each name once; what one needs or uses is among them.
            given: Outputs made elsewhere, which come before those that steps would make.
        """
        self._given = given
        by_name = {step.name: step for step in steps}
        sorter = TopologicalSorter({s.name: {*s.needs, *s.uses} for s in steps})
        self.steps = tuple(by_name[name] for name in sorter.static_order())

    def run(
        self,
        item: Item,
        root: Path,
        *,
        skip: frozenset[str],
        stopped: Callable[[], bool],
        told: Callable[[], None] = lambda: None,
    ) -> None:
        """Bring all outputs of one video up to date.

        Args:
            item: The video; its ``done`` is filled.
            root: The dataset's folder.
            skip: Names of steps that are not to run.
            stopped: Asked now and then whether to give up.
            told: Called after each step.

        Raises:
            CancelledError: The run was stopped; ``done`` has what was finished.
        """
        for step in self.steps:
            if stopped():
                raise CancelledError("interrupted")
            item.done[step.name] = self._one(step, item, root, skip, stopped)
            told()

    def _one(
        self,
        step: Step,
        item: Item,
        root: Path,
        skip: frozenset[str],
        stopped: Callable[[], bool],
    ) -> Done:
        skipped = step.name in skip
        given = self._given.find(step.name, item.name)
        lacking = [name for name in step.needs if not item.done[name].there]
        if lacking and given is None:
            states = ", ".join(f"{n}, which is {item.done[n].state.value}" for n in lacking)
            state = State.SKIPPED if skipped else State.BLOCKED
            return Done(state, reason="STEP_MISSING", message=f"needs {states}")
        inputs = [name for name in (*step.needs, *step.uses) if item.done[name].there]
        try:
            key = _given_key(step, given) if given is not None else _key(step, item, inputs)
        except SegueError as error:
            state = State.SKIPPED if skipped else State.BLOCKED
            return Done(state, reason=error.reason, message=error.message)
        target = output_path(root, step, item.name)
        before = item.earlier.get(step.name)
        if before is not None and before.key == key and fingerprint(target) == before.mark:
            # What is there may be used, also if nobody wants it made.
            return Done(State.SKIPPED if skipped else State.CACHED, key, before.mark)
        if skipped:
            return Done(State.SKIPPED)
        paths = {
            name: output_path(root, other, item.name)
            for other in self.steps
            if (name := other.name) in inputs
        }
        part = target.with_name(f".{target.name}.part")
        began = time.monotonic()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            remove(part)
            if given is not None:
                part.write_bytes(self._given.read(step.name, given))
            else:
                step.run(Work(item.source, item.name, paths, part, stopped))
            remove(target)
            part.replace(target)
        except CancelledError:
            raise
        except SegueError as error:
            return Done(State.FAILED, reason=error.reason, message=error.message)
        except Exception as error:  # One step of one video never stops the others.
            return Done(
                State.FAILED, reason="STEP_FAILED", message=f"{type(error).__name__}: {error}"
            )
        finally:
            remove(part)
        seconds = time.monotonic() - began
        return Done(State.OK, key, fingerprint(target), seconds=seconds)


def output_path(root: Path, step: Step, name: str) -> Path:
    """Where the output of a step lies: ``ROOT/STEP/NAME.EXTENSION``."""
    return root / step.name / f"{name}{step.extension}"


def digest_of(path: Path) -> str:
    """A digest of a file's bytes, 32 hexadecimal digits.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def fingerprint(path: Path) -> str:
    """What tells whether an output is as it was written: size and time of it, or of all in it."""
    try:
        if path.is_dir():
            marks = [(entry.name, _mark(entry.stat())) for entry in os.scandir(path)]
            return hashlib.blake2b(repr(sorted(marks)).encode(), digest_size=16).hexdigest()
        return _mark(path.stat())
    except OSError:
        return ""


def remove(path: Path) -> None:
    """Take a file or folder away, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _mark(status: os.stat_result) -> str:
    return f"{status.st_size}:{status.st_mtime_ns}"


def _given_key(step: Step, path: Path) -> str:
    try:
        text = f"given {step.name} {step.version} {digest_of(path)}"
    except OSError as error:
        raise bad(path, f"cannot be read: {error.strerror or error}") from error
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _key(step: Step, item: Item, inputs: Sequence[str]) -> str:
    parts = {
        "source": item.digest,
        "step": step.name,
        "version": step.version,
        "parameters": dict(step.parameters()),
        "inputs": {name: item.done[name].key for name in sorted(inputs)},
    }
    text = json.dumps(parts, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
