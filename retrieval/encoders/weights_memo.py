"""What is known of weights that have not changed, so that gigabytes are not read at every start.

Weights are read, checked and digested once; what came of it is kept, with the fingerprints of all
files that it came of. A start that finds the same fingerprints reads nothing but tokens: networks
whose graphs are kept map their weights by themselves, and only others have them read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from retrieval.core.errors import PreconditionError
from retrieval.encoders.fingerprint import Fingerprint
from retrieval.encoders.proofs import keep_file, package_version, source_digest

Facts = TypeVar("Facts")
Model = TypeVar("Model")

_PACKAGES = ("torch", "transformers", "tokenizers", "safetensors")


class _Kept(BaseModel):
    """The content of a memo; ``sha256`` is what the file of weights was held to, if anything."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: list[Fingerprint]
    sha256: str | None
    facts: dict[str, Any]


class Memo(Generic[Facts]):
    """The facts of one set of files, kept from an earlier start."""

    def __init__(
        self, folder: Path, kind: type[Facts], files: Sequence[Path], code: Sequence[str]
    ) -> None:
        """Look at the files, before anything is read of them.

        Args:
            folder: Made when there is something to keep.
            kind: The dataclass of the facts.
            files: All that the facts come of.
            code: The modules of Python that find them out.
        """
        self._kind = TypeAdapter(kind)
        self._files = [path.absolute() for path in files]
        self._before = self._look()
        made = [package_version(name) for name in _PACKAGES], [source_digest(name) for name in code]
        key = repr((kind.__qualname__, *map(str, self._files), made))
        name = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._path = folder / f"{name}.weights.json"

    def recall(self, sha256: str | None) -> Facts | None:
        """The facts, or None if any file has changed or none was kept.

        Args:
            sha256: What the file of weights is to be held to, or None for nothing.
        """
        try:
            kept = _Kept.model_validate_json(self._path.read_bytes())
            held = sha256 is None or kept.sha256 == sha256.lower()
            if not held or kept.files != self._before:
                return None
            return self._kind.validate_python(kept.facts)
        except (OSError, ValidationError):
            return None

    def keep(self, facts: Facts, sha256: str | None) -> None:
        """Keep the facts, unless a file may have changed since this was made.

        Args:
            facts: Found out since then.
            sha256: What the file of weights was held to, and is.
        """
        before = [found for found in self._before if found is not None and found.settled]
        if len(before) < len(self._files) or self._look() != before:
            return
        held = sha256.lower() if sha256 else None
        kept = _Kept(files=before, sha256=held, facts=self._kind.dump_python(facts))
        keep_file(self._path, kept.model_dump_json().encode())

    def _look(self) -> list[Fingerprint | None]:
        return [Fingerprint.of(path) for path in self._files]


class LazyWeights(Generic[Facts, Model]):
    """Weights that are read when something has to be built of them.

    Attributes:
        facts: What is known of them in any case.
        recalled: Nothing was read.
    """

    def __init__(
        self,
        memo: Memo[Facts],
        read: Callable[[], tuple[Facts, Model]],
        *,
        sha256: str | None,
        path: Path,
    ) -> None:
        """Recall the facts, or read them now.

        Args:
            memo: Of the files.
            read: Reads and checks everything, and builds what is made of it.
            sha256: The digest that the file of weights must have, or None.
            path: Named in errors.

        Raises:
            PreconditionError: As ``read`` does.
        """
        self._memo, self._read, self._sha256, self._path = memo, read, sha256, path
        self._lock = Lock()
        self._model: Model | None = None
        recalled = memo.recall(sha256)
        self.recalled = recalled is not None
        if recalled is None:
            recalled, self._model = read()
        self.facts: Facts = recalled

    @property
    def model(self) -> Model:
        """What is built of them, read now if it was not before.

        Raises:
            PreconditionError: As ``read`` does, and REVISION_MISMATCH if they are others now.
        """
        with self._lock:
            if self._model is None:
                facts, model = self._read()
                if facts != self.facts:
                    raise PreconditionError(
                        f"{self._path}: the weights were replaced while they were in use",
                        reason="REVISION_MISMATCH",
                        metadata={"path": str(self._path)},
                    )
                self._model = model
            return self._model

    def found_sound(self) -> None:
        """Keep the facts for the next start; call it when all checks have passed."""
        if not self.recalled:
            self._memo.keep(self.facts, self._sha256)
