"""What was found to hold on this machine, so that it is not tried again at every start."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import tempfile
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

log = logging.getLogger(__name__)

_PACKAGES = ("torch", "transformers", "tokenizers", "onnxruntime")


class Proofs:
    """Remembers what holds, each as an empty file; what does not hold is tried again."""

    def __init__(self, folder: Path) -> None:
        """Read nothing yet.

        Args:
            folder: Made when there is something to remember.
        """
        self._folder = folder

    def holds(self, *claim: object) -> bool:
        """Whether a claim was kept before, with the same packages on the same kind of processor."""
        return self._path(claim).is_file()

    def keep(self, *claim: object) -> None:
        """Remember a claim; where nothing can be written, it is only proved again next time."""
        path = self._path(claim)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            log.warning("%s: cannot be kept: %s", path, error)

    def _path(self, claim: Iterable[object]) -> Path:
        packages = [package_version(name) for name in _PACKAGES]
        digest = hashlib.sha256(repr((packages, _processor(), *claim)).encode()).hexdigest()
        return self._folder / f"{digest[:32]}.holds"


def keep_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; without it, the next start takes seconds longer.

    Args:
        path: Its folder is made if need be.
        content: All of it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            try:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s: cannot be kept: %s", path, error)


@cache
def package_version(package: str) -> str:
    """What is installed of a package, without importing it; empty if nothing is."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


@cache
def source_digest(module: str) -> str:
    """A digest of a module's source, without importing it: what was kept never outlives the code.

    Args:
        module: Its full name.
    """
    found = find_spec(module)
    assert found is not None  # noqa: S101 - a module of ours
    assert found.origin is not None  # noqa: S101 - in a file
    return hashlib.sha256(Path(found.origin).read_bytes()).hexdigest()


@cache
def _processor() -> tuple[str, ...]:
    """The kind of processor, with what it can do: libraries choose their ways by it."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            # Of the first core; what one line says of x86 is in two of others.
            told = [one for one in map(str.strip, _first(lines)) if one.startswith(_TOLD)]
    except OSError:
        told = [platform.processor()]
    return platform.machine(), *told


_TOLD = ("model name", "flags", "Features", "CPU implementer", "CPU part")


def _first(lines: Iterable[str]) -> Iterable[str]:
    for line in lines:
        if not line.strip():
            return
        yield line
