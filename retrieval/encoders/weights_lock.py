"""The lock in a folder of weights, which pins what was fetched; and writing there safely."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from retrieval.core.errors import BusyError, PreconditionError, SegueError

LOCK = "segue-weights.json"
GUARD = ".segue-weights.lock"
PART = ".part"
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LockedFile(_Strict):
    """A file as it was verified.

    Attributes:
        name: Below the folder.
        size: Bytes.
        sha256: As computed.
        repository: Where it is published; None for a file that ``convert`` wrote.
        commit: The commit that the hub resolved; None if it came from a folder.
        pinned: ``catalogue``, or ``first use`` if nothing but the hub vouched for it.
    """

    name: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    repository: str | None = None
    commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    pinned: str = Field(default="catalogue", pattern=r"^(catalogue|first use|converted)$")

    @field_validator("name")
    @classmethod
    def _inside(cls, name: str) -> str:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError("not a path below the folder")
        return name


class Lock(_Strict):
    """What ``segue-weights.json`` says of the folder it lies in.

    Attributes:
        version: Of this format.
        weights: A name of the catalogue.
        files: Those that were fetched.
        converted: Those that ``convert`` wrote, which are enough to work with.
    """

    version: int = Field(default=1, ge=1, le=1)
    weights: str
    files: tuple[LockedFile, ...] = ()
    converted: tuple[LockedFile, ...] = ()

    def with_file(self, file: LockedFile) -> Lock:
        """The same with this file in place of an earlier one of its name."""
        kept = tuple(one for one in self.files if one.name != file.name)
        return self.model_copy(update={"files": (*kept, file)})


def read_lock(folder: Path) -> Lock | None:
    """The lock of a folder, if it has one.

    Raises:
        PreconditionError: MODEL_INVALID if the file is broken.
    """
    path = folder / LOCK
    try:
        return Lock.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        raise PreconditionError(
            f"{path}: not a lock of weights; delete it, and run segue models download again",
            reason="MODEL_INVALID",
            metadata={"path": str(path)},
        ) from error


def write_lock(folder: Path, lock: Lock) -> None:
    """Write a folder's lock whole or not at all.

    Raises:
        OSError: If the disk is full or the folder cannot be written.
    """
    write_whole(folder / LOCK, lock.model_dump_json(indent=2, exclude_defaults=True) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Put a text file in its place whole or not at all.

    Raises:
        OSError: If the disk is full or the folder cannot be written.
    """
    part = path.with_name(path.name + PART)
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other downloads and conversions out of a folder, which is made if need be.

    Raises:
        BusyError: QUEUE_FULL if another one is at work in it.
        SegueError: If the folder cannot be made or written.
    """
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        guard = (folder / GUARD).open("ab")
    with guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BusyError(
                f"{folder}: another segue models command is at work in it; wait for it to end",
                metadata={"path": str(folder)},
            ) from error
        yield


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Let a disk that is full, or a folder that cannot be written, end in a clear error.

    Raises:
        BusyError: DISK_FULL.
        PreconditionError: FOLDER_NOT_WRITABLE.
    """
    try:
        yield
    except OSError as error:
        raise storage_error(path, error) from error


def storage_error(path: Path, error: OSError) -> SegueError:
    """What a failure to write means: no room, or no permission."""
    where = {"path": str(path)}
    # Libraries of other languages put the number into the words.
    told = _OS_ERROR.search(str(error))
    number = int(told[1]) if told else error.errno
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return BusyError(
            f"{path}: the disk is full; free some space, or name another folder with --folder, and "
            "run the command again: it goes on from here",
            reason="DISK_FULL",
            metadata=where,
        )
    return PreconditionError(
        f"{path}: cannot be written ({error.strerror or error}); "
        "name another folder with --folder, or change its permissions",
        reason="FOLDER_NOT_WRITABLE",
        metadata=where,
    )
