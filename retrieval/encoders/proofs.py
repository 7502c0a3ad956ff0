"""What was found to hold on this machine, so that it is not tried again at every start."""

from __future__ import annotations

import hashlib
import logging
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

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
        processor = (platform.machine(), torch.backends.cpu.get_cpu_capability())
        packages = [_version(name) for name in _PACKAGES]
        digest = hashlib.sha256(repr((packages, processor, *claim)).encode()).hexdigest()
        return self._folder / f"{digest[:32]}.holds"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
