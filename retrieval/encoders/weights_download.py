"""Bring published weights into a working folder: checked before they get their names."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from retrieval.core.errors import BusyError, InvalidInputError, PreconditionError
from retrieval.encoders.weights_catalogue import WeightFile, Weights
from retrieval.encoders.weights_folder import (
    Expected,
    Progress,
    State,
    check,
    expected_files,
    held,
    overall,
    sha256_of,
    wanted_in,
)
from retrieval.encoders.weights_lock import (
    PART,
    Lock,
    LockedFile,
    alone_in,
    explained,
    read_lock,
    write_lock,
)
from retrieval.encoders.weights_source import Remote, Source, git_sha1

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_SHA1 = re.compile(r"[0-9a-f]{40}\Z")


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file of a finished download.

    Attributes:
        file: As the folder's lock has it.
        new: Whether it was not there before.
    """

    file: LockedFile
    new: bool


@dataclass(frozen=True, slots=True)
class _Job:
    file: WeightFile
    wanted: Expected
    remote: Remote


def download(
    weights: Weights, folder: Path, source: Source, progress: Progress
) -> tuple[Fetched, ...]:
    """Make ``folder`` a working one; what is there and right stays, what is half there goes on.

    Args:
        weights: Of the catalogue.
        folder: Made if need be.
        source: Where files come from.
        progress: Told of every file, while it comes and while it is checked.

    Returns:
        All files, in the catalogue's order; none if the folder has been converted.

    Raises:
        SegueError: With the file and the fix. Nothing unchecked ever has its final name.
    """
    refuse(weights)
    with alone_in(folder):
        _free_for(weights, folder)
        lock = read_lock(folder)
        if lock is not None and lock.converted:
            findings = [check(folder, one, progress) for one in wanted_in(weights, folder)]
            if overall(tuple(findings)) is State.READY:
                return ()
        done, jobs = _plan(weights, folder, lock, source, progress)
        _room(folder, jobs)
        converted = lock.converted if lock else ()
        lock = (lock or Lock(weights=weights.name)).model_copy(update={"converted": ()})
        with explained(folder):
            # They would be read in place of what comes now.
            for stale in {f.name for f in converted} - {f.name for f in weights.files}:
                (folder / stale).unlink(missing_ok=True)
            for file in done.values():
                lock = lock.with_file(file)
            write_lock(folder, lock)
            for job in jobs:
                lock = lock.with_file(_bring(folder, job, source, progress))
                write_lock(folder, lock)
    new = {job.file.name for job in jobs}
    return tuple(
        Fetched(next(f for f in lock.files if f.name == file.name), file.name in new)
        for file in weights.files
    )


def refuse(weights: Weights) -> None:
    """Stop at weights that nobody should use.

    Raises:
        InvalidInputError: INVALID_SETTING, with the reason.
    """
    if weights.refused is not None:
        raise InvalidInputError(
            f"{weights.name}: {weights.refused}",
            reason="INVALID_SETTING",
            metadata={"name": weights.name},
        )


def _free_for(weights: Weights, folder: Path) -> None:
    if (name := held(folder)) not in (None, weights.name):
        raise PreconditionError(
            f"{folder}: {name} is in it; delete that folder, or name another with --folder",
            reason="TARGET_NOT_EMPTY",
            metadata={"path": str(folder), "holds": str(name)},
        )


def _plan(
    weights: Weights, folder: Path, lock: Lock | None, source: Source, progress: Progress
) -> tuple[dict[str, LockedFile], list[_Job]]:
    """What is there and right, and what is still to be had, asked for before any of it comes."""
    done: dict[str, LockedFile] = {}
    jobs: list[_Job] = []
    for file, wanted in zip(weights.files, expected_files(weights, lock), strict=True):
        finding = check(folder, wanted, progress)
        if finding.state is State.READY and wanted.sha256 is not None:
            size = (folder / wanted.name).stat().st_size
            known = {f.name: f for f in lock.files} if lock else {}
            done[file.name] = known.get(file.name) or LockedFile(
                name=file.name,
                size=size,
                sha256=wanted.sha256,
                repository=file.repository,
                pinned=wanted.pinned,
            )
            continue
        problem = finding.problem if finding.state is State.WRONG else ""
        job = _Job(file, wanted, source.ask(file))
        _agree(job, source)
        if finding.state is State.READY:
            path = folder / file.name
            found = sha256_of(path, f"checking {file.name}", progress)
            if _vouched(path, found, job, source):
                done[file.name] = _locked(path, found, job)
                continue
            problem = f"its SHA-256 is {found}"
        if problem and lock is None:
            raise PreconditionError(
                f"{folder / wanted.name}: not the published file ({problem}); "
                "delete it, or name another folder with --folder",
                reason="TARGET_NOT_EMPTY",
                metadata={"path": str(folder / wanted.name)},
            )
        jobs.append(job)
    return done, jobs


def _agree(job: _Job, source: Source) -> None:
    """See that a source offers what is pinned, before gigabytes of something else come."""
    offers = {
        "commit": (job.remote.commit, job.file.revision),
        "bytes": (job.remote.size, job.wanted.size),
        "SHA-256": (_matching(_SHA256, job.remote.etag), job.wanted.sha256),
    }
    for what, (found, pinned) in offers.items():
        if found is not None and pinned is not None and found != pinned:
            raise _invalid(
                job.file.name,
                f"the {source.name} offers another file than the one that is pinned "
                f"({what} {found}, not {pinned})",
            )


def _room(folder: Path, jobs: list[_Job]) -> None:
    needed = 0
    for job in jobs:
        part = _part(folder, job.file)
        have = part.stat().st_size if part.exists() else 0
        needed += max(0, (job.remote.size or 0) - have)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BusyError(
            f"{folder}: {needed / 1e9:.2f} GB are needed and {free / 1e9:.2f} GB free; "
            "free some space, or name another folder with --folder",
            reason="DISK_FULL",
            metadata={"path": str(folder), "needed": str(needed), "free": str(free)},
        )


def _bring(folder: Path, job: _Job, source: Source, progress: Progress) -> LockedFile:
    target, part = folder / job.file.name, _part(folder, job.file)
    source.fetch(job.file, job.remote, part, progress)
    found = sha256_of(part, f"checking {job.file.name}", progress)
    if not _vouched(part, found, job, source):
        pinned = job.wanted.sha256 or job.remote.etag
        part.unlink()
        raise _invalid(
            job.file.name,
            f"what came from the {source.name} has the digest {found}, not {pinned}: damaged on "
            "its way, or another file; it was deleted, run the command again",
        )
    part.replace(target)
    return _locked(target, found, job)


def _vouched(path: Path, sha256: str, job: _Job, source: Source) -> bool:
    if job.wanted.sha256 is not None:
        return sha256 == job.wanted.sha256
    if (etag := _matching(_SHA256, job.remote.etag)) is not None:
        return sha256 == etag
    if (etag := _matching(_SHA1, job.remote.etag)) is not None:
        return git_sha1(path) == etag
    # The first copy that somebody hands over is the one that later ones are held to.
    return source.name == "folder" or job.remote.commit is not None


def _locked(path: Path, sha256: str, job: _Job) -> LockedFile:
    return LockedFile(
        name=job.file.name,
        size=path.stat().st_size,
        sha256=sha256,
        repository=job.file.repository,
        commit=job.remote.commit,
        pinned=job.wanted.pinned,
    )


def _part(folder: Path, file: WeightFile) -> Path:
    path = folder / file.name
    return path.with_name(path.name + PART)


def _matching(pattern: re.Pattern[str], etag: str | None) -> str | None:
    return etag if etag is not None and pattern.match(etag) else None


def _invalid(name: str, problem: str) -> PreconditionError:
    return PreconditionError(f"{name}: {problem}", reason="MODEL_INVALID", metadata={"path": name})
