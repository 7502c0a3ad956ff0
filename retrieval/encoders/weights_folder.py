"""A folder of weights: what should be in it, and what is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from retrieval.encoders.weights_catalogue import DEFAULTS, WeightFile, Weights, every
from retrieval.encoders.weights_lock import PART, Lock, LockedFile, read_lock

Progress = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes that are done, and all of them if known."""

_CHUNK = 1 << 22
# Hashed even by a quick look: they tell models apart whose weights are of one size.
_SMALL = 4 << 20


class State(Enum):
    """How a folder does."""

    READY = "ready"
    MISSING = "missing"
    PARTIAL = "partial"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a file must be, by the catalogue or else by the lock.

    Attributes:
        name: Below the folder.
        size: Bytes, or None.
        sha256: Or None.
        pinned: As ``LockedFile.pinned``.
    """

    name: str
    size: int | None
    sha256: str | None
    pinned: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one file; ``problem`` is empty if all is known and well."""

    name: str
    state: State
    problem: str = ""


def sha256_of(path: Path, name: str = "", progress: Progress | None = None) -> str:
    """The digest of a file, 64 hexadecimal digits.

    Raises:
        OSError: If it cannot be read.
    """
    digest, done = hashlib.sha256(), 0
    total = path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(name, done, total)
    return digest.hexdigest()


def expected_files(weights: Weights, lock: Lock | None) -> tuple[Expected, ...]:
    """What the files of these weights must be.

    Args:
        weights: The catalogue's word goes first.
        lock: Of the folder; what it says of other weights does not count.
    """
    locked = {f.name: f for f in lock.files} if lock and lock.weights == weights.name else {}
    return tuple(_expected(file, locked.get(file.name)) for file in weights.files)


def _expected(file: WeightFile, locked: LockedFile | None) -> Expected:
    if file.sha256 is None and locked is not None:
        return Expected(file.name, locked.size, locked.sha256, "first use")
    pinned = "first use" if file.sha256 is None else "catalogue"
    return Expected(file.name, file.size, file.sha256, pinned)


def held(folder: Path) -> str | None:
    """The name of the weights in a folder, or of those whose download has begun there.

    Without a lock the files must speak for themselves, by size and, if small, by digest.

    Raises:
        PreconditionError: MODEL_INVALID if the folder's lock is broken.
    """
    if (lock := read_lock(folder)) is not None:
        return lock.weights
    for weights in every():
        wanted = expected_files(weights, None)
        if wanted and all(look(folder, one).state is State.READY for one in wanted):
            return weights.name
    return None


def look(folder: Path, wanted: Expected) -> Finding:
    """A quick look at one file: its size, and if it is small its digest."""
    path = folder / wanted.name
    try:
        size = path.stat().st_size
    except OSError:
        begun = path.with_name(path.name + PART).exists()
        state = State.PARTIAL if begun else State.MISSING
        return Finding(wanted.name, state, "half downloaded" if begun else "not there")
    if wanted.size is not None and size != wanted.size:
        return Finding(wanted.name, State.WRONG, f"{size} bytes instead of {wanted.size}")
    return check(folder, wanted) if size <= _SMALL else Finding(wanted.name, State.READY)


def check(folder: Path, wanted: Expected, progress: Progress | None = None) -> Finding:
    """A thorough look at one file: its size and its digest."""
    path = folder / wanted.name
    if not path.is_file():
        return look(folder, wanted)
    size = path.stat().st_size
    if wanted.size is not None and size != wanted.size:
        return Finding(wanted.name, State.WRONG, f"{size} bytes instead of {wanted.size}")
    if wanted.sha256 is None:
        return Finding(wanted.name, State.READY, "no digest to compare with; a download pins one")
    if (found := sha256_of(path, wanted.name, progress)) != wanted.sha256:
        return Finding(wanted.name, State.WRONG, f"its SHA-256 is {found}, not {wanted.sha256}")
    return Finding(wanted.name, State.READY)


def wanted_in(weights: Weights, folder: Path) -> tuple[Expected, ...]:
    """What a folder needs to work: the converted files if it has them, else the published ones.

    Raises:
        PreconditionError: MODEL_INVALID if the folder's lock is broken.
    """
    lock = read_lock(folder)
    if lock is None or lock.weights != weights.name or not lock.converted:
        return expected_files(weights, lock)
    return tuple(Expected(f.name, f.size, f.sha256, "converted") for f in lock.converted)


def state_of(weights: Weights, folder: Path) -> tuple[State, tuple[Finding, ...]]:
    """How these weights do in a folder, at a quick look.

    A folder that holds other weights does not hold these: they are missing. Files that are those of
    no weights are put down to the encoder's default.
    """
    name = held(folder) or DEFAULTS[weights.encoder]
    if name != weights.name:
        return State.MISSING, ()
    findings = tuple(look(folder, one) for one in wanted_in(weights, folder))
    return overall(findings), findings


def overall(findings: tuple[Finding, ...]) -> State:
    """The state of a folder whose files do so."""
    states = {finding.state for finding in findings}
    if State.WRONG in states:
        return State.WRONG
    if states == {State.READY}:
        return State.READY
    return State.MISSING if states <= {State.MISSING} else State.PARTIAL
