"""What a stopped training leaves behind, so that the same command goes on where it was."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.encoders.checkpoints import read_torch

EVERY = 5.0
"""Seconds between two writes of a stage that is under way."""


class Resume:
    """A file beside the model to be, with what each stage has come to.

    States hold tensors and plain values only: the file is read without running anything in it.

    Attributes:
        begun: Whether an earlier run of the same training left something.
    """

    def __init__(self, path: Path, key: str) -> None:
        """Read the file, if there is one of the same training.

        Args:
            path: The file.
            key: Digest of everything the result depends on; with another one, begin anew.
        """
        self._path, self._key = path, key
        self._stages: dict[str, Any] = {}
        self._written = time.monotonic()
        self.begun = False
        try:
            found = read_torch(path)
        except PreconditionError:
            return
        if isinstance(found, dict) and found.get("key") == key:
            self._stages, self.begun = found["stages"], True

    def get(self, stage: str) -> Any:
        """The state of a stage, or None."""
        return self._stages.get(stage)

    def put(self, stage: str, state: Any, *, now: bool = False) -> None:
        """Keep a state, on disk every few seconds or now.

        Raises:
            InvalidInputError: The file cannot be written.
        """
        self._stages[stage] = state
        if now or time.monotonic() - self._written >= EVERY:
            self.write()

    def write(self) -> None:
        """Write all that was put.

        Raises:
            InvalidInputError: The file cannot be written.
        """
        part = self._path.with_name(self._path.name + ".part")
        try:
            torch.save({"key": self._key, "stages": self._stages}, part)
            part.replace(self._path)
        except (OSError, RuntimeError) as error:
            raise InvalidInputError(f"{self._path}: cannot be written: {error}") from error
        finally:
            part.unlink(missing_ok=True)
        self._written = time.monotonic()

    def finish(self) -> None:
        """Take the file away: the model is written."""
        self._path.unlink(missing_ok=True)
