"""Finding audio files: recursive, in a stable order, never outside the given paths."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from indexer.report import Failure

AUDIO_EXTENSIONS = frozenset(
    {
        ".aac", ".aif", ".aifc", ".aiff", ".flac", ".m4a", ".m4b", ".mp3", ".mp4", ".oga", ".ogg",
        ".opus", ".wav", ".wave",
    }
)  # fmt: skip
"""Extensions of the files a folder scan looks at, in any letter case. What a file really is, its
content decides when it is opened."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One audio file.

    Attributes:
        path: Absolute path; links in the root are resolved, links below it are not.
        root: The scanned folder, or the folder of an explicitly given file.
        size: Bytes.
        mtime_ns: Time of the last change, nanoseconds since 1970.
    """

    path: str
    root: str
    size: int
    mtime_ns: int


@dataclass(slots=True)
class Scan:
    """What the given paths hold.

    Attributes:
        files: By path, in sorted order.
        failures: What had to be refused, in the order met.
        roots: Folders and files that were there and were looked at.
        unread: Folders below the roots whose content is not known.
        stopped: The scan was cut short.
    """

    files: dict[str, FoundFile] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    stopped: bool = False

    def covers(self, path: str) -> bool:
        """Whether this scan would have found the path if it were (still) an audio file there."""
        return any(is_under(path, root) for root in self.roots) and not any(
            is_under(path, folder) for folder in self.unread
        )


def is_under(path: str, folder: str) -> bool:
    """Whether an absolute path is the folder or lies below it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def printable(path: str) -> str:
    """A path as text: bytes that are no valid Unicode become U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def scan(
    paths: Sequence[str | Path],
    *,
    on_found: Callable[[int], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
    wanted: Callable[[str], bool] | None = None,
) -> Scan:
    """Find the audio files at some paths.

    Folders are searched recursively. Hidden files and folders (".…") are skipped unless given
    explicitly. Links to files inside the root are followed; links to folders inside it add nothing,
    because the folder is found under its own name; links that lead out of the root are refused. A
    file below several roots belongs to the outermost.

    Args:
        paths: Files and folders.
        on_found: Told now and then how many files there are so far.
        stop: Asked now and then whether to give up.
        wanted: Tells by its name whether a file below a folder counts; by default audio files do.

    Returns:
        The files and everything that had to be refused; nothing is raised for a bad path.
    """
    result = Scan()
    found: dict[str, FoundFile] = {}
    folders: list[str] = []
    files: list[str] = []
    for path in dict.fromkeys(root_path(os.fspath(p)) for p in paths):
        _sort_root(path, folders, files, result)
    # Outermost first, so that nested roots are walked once and give folder words of the outer one.
    walked: list[str] = []
    for root in sorted(folders, key=lambda path: (len(path), path)):
        result.roots.append(root)
        if any(is_under(root, other) for other in walked) and not _hidden_below(root, walked):
            continue
        walked.append(root)
        for entry in _walk(root, result, wanted or is_audio):
            found.setdefault(entry.path, entry)
            if on_found is not None and len(found) % 256 == 0:
                on_found(len(found))
            if stop():
                result.stopped = True
                break
    for path in files:
        result.roots.append(path)
        entry_or_failure = _stat_file(path, str(Path(path).parent))
        if isinstance(entry_or_failure, Failure):
            result.failures.append(entry_or_failure)
        else:
            found.setdefault(path, entry_or_failure)
    result.files = dict(sorted(found.items()))
    if on_found is not None:
        on_found(len(found))
    return result


def root_path(path: str) -> str:
    """One spelling for one root: folders with links resolved, files under their own name."""
    if "\0" in path or _is_folder(path):
        return os.path.realpath(path.replace("\0", "\ufffd"))
    return str(Path(os.path.realpath(Path(path).parent)) / Path(path).name)


def _sort_root(path: str, folders: list[str], files: list[str], result: Scan) -> None:
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            reason = "PATH_NOT_FOUND"
            message = "there is nothing at this path, so nothing known under it was touched"
        else:
            reason, message = "FILE_UNREADABLE", f"cannot be looked at: {_why(error)}"
        result.failures.append(Failure(printable(path), reason, message))
        return
    if stat.S_ISDIR(mode):
        folders.append(path)
    elif stat.S_ISREG(mode) and not is_audio(path):
        known = " ".join(sorted(AUDIO_EXTENSIONS))
        message = f"not an audio file by its extension; known are: {known}"
        result.failures.append(Failure(printable(path), "NOT_AUDIO", message))
    else:
        files.append(path)


def is_audio(path: str) -> bool:
    """Whether the extension is one of ``AUDIO_EXTENSIONS``, in any letter case."""
    return Path(path).suffix.lower() in AUDIO_EXTENSIONS


def _hidden_below(root: str, walked: list[str]) -> bool:
    """Whether a walk of the outer root skips this inner one, because it is hidden there."""
    outer = next(other for other in walked if is_under(root, other))
    return any(part.startswith(".") for part in Path(root).relative_to(outer).parts)


def _walk(root: str, result: Scan, wanted: Callable[[str], bool]) -> Iterator[FoundFile]:
    real_root = os.path.realpath(root)
    pending = [root]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder) as entries:
                children = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            message = f"the folder cannot be read: {_why(error)}"
            result.failures.append(Failure(printable(folder), "FOLDER_UNREADABLE", message))
            result.unread.append(folder)
            continue
        inner: list[str] = []
        for child in children:
            if child.name.startswith("."):
                continue
            if child.is_symlink():
                refusal = _check_link(child.path, real_root, wanted)
                if refusal is not None:
                    result.failures.append(refusal)
                    result.unread.append(child.path)
                    continue
                if _is_folder(child.path):
                    continue
            elif child.is_dir(follow_symlinks=False):
                inner.append(child.path)
                continue
            if wanted(child.name):
                entry = _stat_file(child.path, root)
                if isinstance(entry, Failure):
                    result.failures.append(entry)
                    result.unread.append(child.path)
                else:
                    yield entry
        pending.extend(reversed(inner))


def _check_link(path: str, real_root: str, wanted: Callable[[str], bool]) -> Failure | None:
    """Refuse a link that leads out of the root, if it could have added anything."""
    target = os.path.realpath(path)
    if is_under(target, real_root) or not (wanted(path) or _is_folder(target)):
        return None
    return Failure(
        printable(path),
        "LINK_OUTSIDE",
        f"the link leads out of the indexed folder, to {printable(target)}; "
        "give that path explicitly to index it",
    )


def device_of(path: str) -> int | None:
    """The device that a path is on, or None if it cannot be told."""
    try:
        return Path(path).stat().st_dev
    except OSError:
        return None


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:
        return False


def _stat_file(path: str, root: str) -> FoundFile | Failure:
    try:
        status = Path(path).stat()
    except OSError as error:
        return Failure(printable(path), "FILE_UNREADABLE", f"cannot be looked at: {_why(error)}")
    if not stat.S_ISREG(status.st_mode):
        message = "not a regular file (a pipe, socket or device)"
        return Failure(printable(path), "NOT_A_FILE", message)
    return FoundFile(path, root, status.st_size, status.st_mtime_ns)


def _why(error: OSError) -> str:
    return error.strerror or str(error)
