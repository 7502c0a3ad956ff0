"""One network on the device, in the precision and on the runtime that suit it, all measured.

What runs faster is taken only if it gives the vectors of PyTorch in single precision for a few
canary inputs; if not, a warning says so and the network runs as the reference does.
"""

from __future__ import annotations

import hashlib
import inspect
import logging
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.encoders.batching import Batches, is_out_of_memory, out_of_memory
from retrieval.encoders.canaries import CLOSE, SAME, SAME_DIRECTION, agreement
from retrieval.encoders.device import Compute
from retrieval.encoders.proofs import Proofs

if TYPE_CHECKING:
    from retrieval.encoders.onnx_runtime import Session

log = logging.getLogger(__name__)

_LANES = 16
"""Windows at once at most: each takes 100 MB while it is in work."""

Forward = Callable[[torch.Tensor], torch.Tensor]


class Network:
    """Inputs to rows of float32, in batches of equal length.

    It is made ready at the first call: a query by words needs no network for sound.

    Attributes:
        dim: Values in a row.
        runtime: ``torch`` or ``onnx``; None until it is ready.
        dtype: What it computes in; None until it is ready.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        compute: Compute,
        *,
        name: str,
        identity: str,
        dim: int,
        batch: int,
        canaries: Sequence[NDArray[Any]],
        front: Callable[[torch.Tensor], torch.Tensor] | None = None,
        windows: bool = False,
        rare: bool = False,
    ) -> None:
        """Compute nothing yet.

        Args:
            module: Takes a batch and gives its rows (n, dim); with its weights, in evaluation mode.
            compute: Where and how it runs.
            name: For the log.
            identity: Of the module, with its weights.
            dim: Values in a row.
            batch: Inputs that go through at once at most.
            canaries: Batches of inputs, the first of at least two, to compare results by.
            front: Applied to every batch first, on the device, always in single precision.
            windows: The inputs are windows of sound: half precision will do where it is faster,
                and on ONNX Runtime each goes through in a thread of its own, several at once.
            rare: Too little goes through to be worth preparing another runtime.
        """
        self._module: torch.nn.Module | None = module
        self._compute, self._name = compute, name
        # Neither a graph nor a proof outlives the code that it was made of.
        self._identity = f"{identity}:{_code(module)}"
        self._canaries, self._front, self._windows, self._rare = canaries, front, windows, rare
        self._proofs = Proofs(compute.graphs)
        self._batches: Batches[torch.Tensor] = Batches(batch, name=name)
        self._executor: ThreadPoolExecutor | None = None
        self._lock = Lock()
        self._forward: Forward | None = None
        self._single: Forward | None = None
        self.dim = dim
        self.runtime: str | None = None
        self.dtype: torch.dtype | None = None

    def __call__(self, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """One row per input, shape (n, dim), in order; an input never shows in another's row.

        Raises:
            BusyError: OUT_OF_MEMORY if a single input does not fit into memory.
        """
        try:
            forward = self._ready()
        except Exception as error:
            if is_out_of_memory(error):
                raise out_of_memory(self._name, "the network does not fit into memory") from error
            raise
        rows = self._run(inputs, forward)
        if self._single is not None:
            wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1)).tolist()
            if wrong:
                log.warning("%s: %d overflow, again in single precision", self._name, len(wrong))
                rows[wrong] = self._run([inputs[place] for place in wrong], self._single)
        return rows

    def _run(self, inputs: Sequence[NDArray[Any]], forward: Forward) -> NDArray[np.float32]:
        def one(places: list[int]) -> torch.Tensor:
            return self._batch(np.stack([inputs[place] for place in places]), forward)

        rows = np.empty((len(inputs), self.dim), dtype=np.float32)
        done = self._batches.run([len(one) for one in inputs], one, self._executor)
        # Only now, so that the device never waits for the host between two batches.
        for places, found in done:
            rows[places] = found.cpu().numpy()
        return rows

    def _batch(self, batch: NDArray[Any], forward: Forward) -> torch.Tensor:
        device = self._compute.device
        given = torch.from_numpy(batch)
        with torch.inference_mode(), _on(device):
            if device.type == "cuda":
                given = given.pin_memory()
            moved = given.to(device, non_blocking=True)
            return forward(moved if self._front is None else self._front(moved))

    def _ready(self) -> Forward:
        with self._lock:
            if self._forward is None:
                self._forward = self._choose()
            return self._forward

    def _choose(self) -> Forward:
        assert self._module is not None  # noqa: S101 - dropped only once there is a session
        single = _rows(self._module.to(self._compute.device), self._compute.device)
        self.runtime, self.dtype = "torch", torch.float32
        expected: list[torch.Tensor] = []
        # Where nobody asked for it, the next best will do without a warning.
        level = logging.INFO if self._compute.precision == "auto" else logging.WARNING
        for dtype in self._compute.dtypes() if self._windows else ():
            expected = expected or self._try(single)
            half = _rows(self._module, self._compute.device, dtype)
            if self._holds(expected, half, str(dtype), cosine=CLOSE, level=level):
                self.dtype, self._single = dtype, single
                return half
        session = self._session() if self._compute.wants_onnx() and not self._rare else None
        if session is not None and self._is_exact(session, single, expected):
            self.runtime, self._module = "onnx", None
            if self._lanes() > 1:
                self._executor = ThreadPoolExecutor(self._lanes(), self._name)
            return lambda batch: torch.from_numpy(session(batch.numpy()))
        return single

    def _is_exact(self, session: Session, single: Forward, expected: list[torch.Tensor]) -> bool:
        claim = ("onnx", self._identity, session.digest, SAME_DIRECTION, SAME)
        if self._proofs.holds(*claim):
            return True
        holds = self._holds(
            expected or self._try(single),
            lambda batch: torch.from_numpy(session(batch.numpy())),
            "ONNX Runtime",
            cosine=SAME_DIRECTION,
            absolute=SAME,
        )
        if holds:
            self._proofs.keep(*claim)
        return holds

    def _lanes(self) -> int:
        """Batches that go through at once on ONNX Runtime."""
        return min(self._compute.threads, _LANES) if self._windows else 1

    def _session(self) -> Session | None:
        if find_spec("onnxruntime") is None or find_spec("onnx") is None:
            level = logging.WARNING if self._compute.runtime == "onnx" else logging.DEBUG
            log.log(level, "%s: no ONNX Runtime; pip install 'segue[onnx]'", self._name)
            return None
        assert self._module is not None  # noqa: S101 - as above
        example = torch.from_numpy(self._canaries[0])
        try:
            from retrieval.encoders.onnx_runtime import open_session

            return open_session(
                self._module,
                example if self._front is None else self._front(example),
                identity=self._identity,
                folder=self._compute.graphs,
                # Beside the threads that carry a window each.
                threads=1 + self._compute.threads - self._lanes(),
            )
        # Neither the exporter's errors nor the runtime's have a class in common, and a package may
        # be there, but not fit this machine.
        except Exception as error:
            log.warning("%s: not on ONNX Runtime, but on PyTorch: %s", self._name, error)
            return None

    def _try(self, forward: Forward) -> list[torch.Tensor]:
        return [self._batch(canary, forward).cpu() for canary in self._canaries]

    def _holds(
        self,
        expected: Sequence[torch.Tensor],
        forward: Forward,
        what: str,
        *,
        cosine: float,
        absolute: float = math.inf,
        level: int = logging.WARNING,
    ) -> bool:
        try:
            found = self._try(forward)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            log.log(level, "%s: not in %s: %s", self._name, what, error)
            return False
        nearest, farthest = agreement(expected, found)
        # Put this way round, what is not a number does not hold.
        if nearest >= cosine and farthest <= absolute:
            log.debug("%s: %s, cosine %.7f, off by %.1e", self._name, what, nearest, farthest)
            return True
        log.log(
            level,
            "%s: not in %s, whose rows have a cosine of %.7f and are off by %.1e",
            *(self._name, what, nearest, farthest),
        )
        return False


def _code(module: torch.nn.Module) -> str:
    source = inspect.getsource(sys.modules[type(module).__module__])
    return hashlib.sha256(source.encode()).hexdigest()


def _rows(
    module: torch.nn.Module, device: torch.device, dtype: torch.dtype = torch.float32
) -> Forward:
    def forward(batch: torch.Tensor) -> torch.Tensor:
        half = dtype != torch.float32
        # Autocast keeps normalisation and softmax in single precision.
        with torch.autocast(device.type, dtype=dtype) if half else nullcontext():
            rows: torch.Tensor = module(batch)
        return rows.float()

    return forward


@contextmanager
def _on(device: torch.device) -> Iterator[None]:
    if device.type == "cuda":
        # Else pinned memory would be the first GPU's, whichever this is.
        with torch.cuda.device(device):
            yield
    elif device.type == "cpu":
        # Numbers next to zero are slow, and a masked softmax makes them.
        torch.set_flush_denormal(True)
        try:
            yield
        finally:
            torch.set_flush_denormal(False)
    else:
        yield
