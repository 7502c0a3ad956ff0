"""Where the bytes of published weights come from."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from retrieval.core.errors import PreconditionError
from retrieval.encoders.weights_catalogue import WeightFile
from retrieval.encoders.weights_folder import Progress, sha256_of
from retrieval.encoders.weights_lock import explained


@dataclass(frozen=True, slots=True)
class Remote:
    """What a source says of a file before it hands it over.

    Attributes:
        size: Bytes, or None.
        commit: That the file is of, or None.
        etag: The hub's own digest: SHA-256 of large files, Git's SHA-1 of small ones.
    """

    size: int | None
    commit: str | None = None
    etag: str | None = None


class Source(Protocol):
    """Hands over the files of the catalogue."""

    name: str

    def ask(self, file: WeightFile) -> Remote:
        """What is known of a file.

        Raises:
            SegueError: If it cannot be had; the message names the file and the fix.
        """
        ...

    def fetch(self, file: WeightFile, remote: Remote, part: Path, progress: Progress) -> None:
        """Fill ``part`` with the file, going on where an earlier try has left it.

        Raises:
            SegueError: As ``ask``; BusyError DISK_FULL if there is no room.
        """
        ...


class FolderSource:
    """A folder that somebody has filled elsewhere.

    Files are looked for as our own folders have them, in a folder per repository, in the hub's
    cache layout, and plainly by name.
    """

    name = "folder"

    def __init__(self, folder: Path) -> None:
        """Take files from here.

        Raises:
            PreconditionError: MODEL_MISSING if there is no such folder.
        """
        if not folder.is_dir():
            raise PreconditionError(
                f"{folder}: no such folder to take weights from",
                reason="MODEL_MISSING",
                metadata={"path": str(folder)},
            )
        self._folder = folder

    def ask(self, file: WeightFile) -> Remote:
        """The size of the one that will be taken."""
        return Remote(self._find(file).stat().st_size)

    def fetch(self, file: WeightFile, remote: Remote, part: Path, progress: Progress) -> None:
        """Copy it."""
        del remote
        copy(self._find(file), part, file.name, progress)

    def _find(self, file: WeightFile) -> Path:
        """The first one there is; of several, such as config.json's, the first of this digest."""
        owner, repository = file.repository.split("/")
        cached = f"models--{owner}--{repository}/snapshots/{file.revision}"
        places = (
            self._folder / file.name,
            self._folder / repository / file.path,
            self._folder / owner / repository / file.path,
            self._folder / cached / file.path,
            self._folder / file.path,
        )
        found = [place for place in dict.fromkeys(places) if place.is_file()]
        if not found:
            raise PreconditionError(
                f"{places[0]}: not there, nor is {file.path} in {self._folder} itself; "
                f"it is {file.repository}'s at {file.revision[:12]}",
                reason="MODEL_MISSING",
                metadata={"path": str(places[0])},
            )
        if len(found) == 1 or file.sha256 is None:
            return found[0]
        return next((one for one in found if sha256_of(one) == file.sha256), found[0])


def git_sha1(path: Path) -> str:
    """What Git calls a file of this content, 40 hexadecimal digits."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    digest.update(path.read_bytes())
    return digest.hexdigest()


def copy(source: Path, part: Path, name: str, progress: Progress) -> None:
    """Copy a file, telling how far it is.

    Raises:
        SegueError: If it cannot be read, or there is no room.
    """
    try:
        total, file = source.stat().st_size, source.open("rb")
    except OSError as error:
        raise PreconditionError(
            f"{source}: cannot be read ({error.strerror})",
            reason="MODEL_INVALID",
            metadata={"path": str(source)},
        ) from error
    with file, counted(part, "wb") as target:
        target.report = lambda done: progress(name, done, total)
        while chunk := file.read(1 << 22):
            target.write(chunk)


def counted(path: Path, mode: str) -> CountedFile:
    """Open a file, and its folder, for writing.

    Raises:
        SegueError: If that is not possible.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return CountedFile(path, mode)


class CountedFile(io.FileIO):
    """A file that tells how long it is whenever it has grown, and why if it cannot."""

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self._path = path
        self.report: Callable[[int], None] | None = None

    def write(self, data: Any, /) -> int:
        """Write all of it.

        Raises:
            SegueError: BusyError DISK_FULL, or FOLDER_NOT_WRITABLE.
        """
        view = memoryview(data)
        # Here, since to the caller a failed line is an OSError too.
        with explained(self._path):
            # Unbuffered files may take less than they were given.
            while view:
                view = view[super().write(view) :]
        if self.report is not None:
            self.report(self.tell())
        return len(data)
