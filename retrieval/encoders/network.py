"""One network on the device, in the precision and on the runtime that suit it, all measured.

What runs faster is taken only if it gives the vectors of PyTorch in single precision for a few
canary inputs; if not, a warning says so and the network runs as the reference does. Where that was
found out before, PyTorch is not even imported.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.encoders.batching import Batches, is_out_of_memory, out_of_memory
from retrieval.encoders.canaries import SAME, SAME_DIRECTION
from retrieval.encoders.device import Compute
from retrieval.encoders.proofs import Proofs, source_digest

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

_LANES = 16
"""Windows at once at most: each takes 100 MB while it is in work."""

Front = Callable[[NDArray[Any]], NDArray[Any]]


class Runtime(Protocol):
    """What a network runs on.

    Attributes:
        name: ``torch`` or ``onnx``.
        dtype: What it computes in.
        single: The same in single precision, for what overflows; None if it is that itself.
    """

    name: str
    dtype: str
    single: Runtime | None

    def __call__(self, batch: NDArray[Any], /) -> Any:
        """Start a batch (n, …); the device may still be at work on it."""
        ...

    def fetch(self, found: Any, /) -> NDArray[np.float32]:
        """The rows (n, dim) of a batch, once they are there."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A network as PyTorch has it.

    Attributes:
        module: Takes a batch and gives its rows (n, dim); with its weights, in evaluation mode.
        file: Where the weights lie, if they lie in one file.
        front: Applied to every batch first, on the device, always in single precision.
    """

    module: torch.nn.Module
    file: Path | None = None
    front: Callable[[torch.Tensor], torch.Tensor] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Traits:
    """What is known of a network before it is built.

    Attributes:
        name: For the log.
        identity: Of its weights.
        code: The module of Python whose source makes the network.
        dim: Values in a row.
        canaries: Batches of inputs, the first of at least two, to compare results by.
        windows: The inputs are windows of sound: half precision will do where it is faster, and on
            ONNX Runtime each goes through in a thread of its own, several at once.
    """

    name: str
    identity: str
    code: str
    dim: int
    canaries: Sequence[NDArray[Any]]
    windows: bool = False

    @property
    def full_identity(self) -> str:
        """Neither a graph nor a proof outlives the code that it was made of."""
        return f"{self.identity}:{source_digest(self.code)}"

    def lanes(self, compute: Compute) -> int:
        """Batches that go through at once on ONNX Runtime."""
        return min(compute.threads, _LANES) if self.windows else 1

    def session_threads(self, compute: Compute) -> int:
        """Threads of one call there, beside those that carry a window each."""
        return 1 + compute.threads - self.lanes(compute)

    def claim(self, graph: str) -> tuple[object, ...]:
        """That ONNX Runtime gives PyTorch's rows with a graph of this digest."""
        return "onnx", self.full_identity, graph, SAME_DIRECTION, SAME


class Network:
    """Inputs to rows of float32, in batches of equal length.

    It is made ready at the first call: a query by words needs no network for sound.

    Attributes:
        dim: Values in a row.
    """

    def __init__(
        self,
        build: Callable[[], Built],
        compute: Compute,
        traits: Traits,
        *,
        batch: int,
        host: Front | None = None,
    ) -> None:
        """Compute nothing yet.

        Args:
            build: Called if PyTorch has to run it, or to show how it should run.
            compute: Where and how it runs.
            traits: What else is known of it.
            batch: Inputs that go through at once at most.
            host: Applied to every batch before it goes to the device.
        """
        self._build, self._compute, self._traits, self._host = build, compute, traits, host
        self._batches: Batches[Any] = Batches(batch, name=traits.name)
        self._executor: ThreadPoolExecutor | None = None
        self._lock = Lock()
        self._chosen: Runtime | None = None
        self.dim = traits.dim

    @property
    def runtime(self) -> str | None:
        """``torch`` or ``onnx``; None until it is ready."""
        return self._chosen.name if self._chosen else None

    @property
    def dtype(self) -> str | None:
        """What it computes in; None until it is ready."""
        return self._chosen.dtype if self._chosen else None

    def __call__(self, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """One row per input, shape (n, dim), in order; an input never shows in another's row.

        Raises:
            BusyError: OUT_OF_MEMORY if a single input does not fit into memory.
        """
        name = self._traits.name
        try:
            runtime = self._ready()
        except Exception as error:
            if is_out_of_memory(error):
                raise out_of_memory(name, "the network does not fit into memory") from error
            raise
        rows = self._run(inputs, runtime)
        if runtime.single is not None:
            wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1)).tolist()
            if wrong:
                log.warning("%s: %d overflow, again in single precision", name, len(wrong))
                rows[wrong] = self._run([inputs[place] for place in wrong], runtime.single)
        return rows

    def _run(self, inputs: Sequence[NDArray[Any]], runtime: Runtime) -> NDArray[np.float32]:
        def one(places: list[int]) -> Any:
            batch = np.stack([inputs[place] for place in places])
            return runtime(batch if self._host is None else self._host(batch))

        rows = np.empty((len(inputs), self.dim), dtype=np.float32)
        done = self._batches.run([len(one) for one in inputs], one, self._executor)
        # Only now, so that the device never waits for the host between two batches.
        for places, found in done:
            rows[places] = runtime.fetch(found)
        return rows

    def _ready(self) -> Runtime:
        with self._lock:
            if self._chosen is None:
                onnx = self._wants_onnx()
                self._chosen = (self._kept() if onnx else None) or self._choose(onnx=onnx)
                lanes = self._traits.lanes(self._compute)
                if self._chosen.name == "onnx" and lanes > 1:
                    self._executor = ThreadPoolExecutor(lanes, self._traits.name)
            return self._chosen

    def _wants_onnx(self) -> bool:
        if not self._compute.wants_onnx():
            return False
        if find_spec("onnxruntime") and find_spec("onnx"):
            return True
        level = logging.WARNING if self._compute.runtime == "onnx" else logging.DEBUG
        log.log(level, "%s: no ONNX Runtime; pip install 'segue[onnx]'", self._traits.name)
        return False

    def _kept(self) -> Runtime | None:
        """What an earlier start has found out to be exact, if all of it is still there."""
        compute, traits = self._compute, self._traits
        if traits.windows and compute.wants_half():
            return None
        try:
            from retrieval.encoders.onnx_runtime import KeptGraph, graph_digest
        # A package may be there, but not fit this machine.
        except ImportError:
            return None
        kept = KeptGraph(compute.graphs, traits.full_identity)
        graph = kept.read()
        if graph is None or not Proofs(compute.graphs).holds(*traits.claim(graph_digest(graph))):
            return None
        return kept.open(graph, threads=traits.session_threads(compute))

    def _choose(self, *, onnx: bool) -> Runtime:
        from retrieval.encoders.torch_runtime import choose

        host = self._host
        canaries = [one if host is None else host(one) for one in self._traits.canaries]
        return choose(self._build(), self._compute, self._traits, canaries, onnx=onnx)
