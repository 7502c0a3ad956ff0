"""What encoders with weights share: loaded at once, pickled without, loaded again where needed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from pathlib import Path
from threading import Lock
from typing import Any, Generic, Self, TypeVar

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.spaces import EmbeddingSpace

Model = TypeVar("Model")

# Read by PyTorch and its OpenMP when they are first imported.
_ENVIRONMENT = {
    # Threads that spin while they wait cost four times the time beside others' work.
    "OMP_WAIT_POLICY": "PASSIVE",
    # What MPS cannot do yet is done on the CPU, instead of not at all.
    "PYTORCH_ENABLE_MPS_FALLBACK": "1",
}


class ModelEncoder(ABC, Generic[Model]):
    """An encoder whose networks are loaded when it is made.

    A pickled copy carries no weights: workers prepare sound with it and never import PyTorch. The
    copy loads when it is first to tokenise or to go forward, and only the same weights will do.

    Attributes:
        space: The space it fills.
    """

    space: EmbeddingSpace

    def __init__(self, source: Any, *, device: str, sha256: str | None, graphs: Path) -> None:
        """Load the model.

        Args:
            source: Where the weights are, picklable.
            device: As ``choose_device``; of several, with commas, the first.
            sha256: The digest the file of weights must have, or None.
            graphs: Folder of what is known of models and exported for ONNX Runtime.

        Raises:
            PreconditionError: MODEL_MISSING or MODEL_INVALID, with the file and the fix.
            ImportError: If the ``models`` extra is not installed.
        """
        self._source, self._device, self._sha256 = source, device.partition(",")[0], sha256
        self._graphs = graphs
        self._lock = Lock()
        self._model: Model | None
        self.space, self._model = self._begin()

    @abstractmethod
    def _load(self) -> tuple[EmbeddingSpace, Model]:
        """Read the weights and check what they make of a few texts."""

    def on(self, device: str) -> Self:
        """The same encoder for one other device, without weights; it loads when it is used."""
        copy = type(self).__new__(type(self))
        copy.__setstate__(self.__getstate__() | {"_device": device})
        return copy

    def load(self) -> None:
        """Load the networks now instead of at the first call.

        Raises:
            PreconditionError: As the constructor, and REVISION_MISMATCH if they are others now.
        """
        self._ready()

    def __getstate__(self) -> dict[str, Any]:
        kept = ("_source", "_device", "_sha256", "_graphs", "space")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()
        self._model = None

    def _begin(self) -> tuple[EmbeddingSpace, Model]:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        return self._load()

    def _ready(self) -> Model:
        with self._lock:
            if self._model is None:
                space, model = self._begin()
                if space.revision != self.space.revision:
                    raise PreconditionError(
                        f"{self._source}: the weights were replaced while they were in use",
                        reason="REVISION_MISMATCH",
                        metadata={"space": space.name},
                    )
                self._model = model
            return self._model


def clean_text(text: str) -> str:
    """A query as tokenizers take it: half characters, as in odd file names, become '?'.

    Raises:
        InvalidInputError: If there is nothing but white space.
    """
    if not text.strip():
        raise InvalidInputError(
            "text: there is nothing to search for in it", metadata={"field": "text"}
        )
    return text.encode("utf-8", "replace").decode("utf-8")
