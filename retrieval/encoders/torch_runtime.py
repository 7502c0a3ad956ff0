"""Networks on PyTorch, the reference, and what is compared with it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.encoders.batching import is_out_of_memory
from retrieval.encoders.canaries import CLOSE, SAME, SAME_DIRECTION, agreement
from retrieval.encoders.device import Compute
from retrieval.encoders.network import Built, Runtime, Traits
from retrieval.encoders.proofs import Proofs

if TYPE_CHECKING:
    from retrieval.encoders.onnx_runtime import Session

log = logging.getLogger(__name__)


class TorchRuntime:
    """A module on a device, in some precision; see ``Runtime``."""

    name = "torch"

    def __init__(
        self,
        built: Built,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        *,
        single: Runtime | None = None,
    ) -> None:
        """Move the module to the device.

        Args:
            built: Its module is moved in place.
            device: Where it runs.
            dtype: What it computes in.
            single: The same in single precision, unless this is it.
        """
        self._module, self._front = built.module.to(device), built.front
        self._device, self._dtype = device, dtype
        self.dtype = str(dtype).removeprefix("torch.")
        self.single = single

    def __call__(self, batch: NDArray[Any]) -> torch.Tensor:
        """See ``Runtime``."""
        given = torch.from_numpy(batch)
        half = self._dtype != torch.float32
        with torch.inference_mode(), _on(self._device):
            if self._device.type == "cuda":
                given = given.pin_memory()
            moved = given.to(self._device, non_blocking=True)
            if self._front is not None:
                moved = self._front(moved)
            # Autocast keeps normalisation and softmax in single precision.
            with torch.autocast(self._device.type, dtype=self._dtype) if half else nullcontext():
                rows: torch.Tensor = self._module(moved)
            return rows.float()

    def fetch(self, found: torch.Tensor) -> NDArray[np.float32]:
        """See ``Runtime``."""
        return np.asarray(found.cpu().numpy())


def choose(
    built: Built,
    compute: Compute,
    traits: Traits,
    canaries: Sequence[NDArray[Any]],
    *,
    onnx: bool,
) -> Runtime:
    """The fastest runtime that gives PyTorch's rows.

    Args:
        built: The network.
        compute: Where and how it runs.
        traits: What else is known of it.
        canaries: As the runtimes take them.
        onnx: Whether to try ONNX Runtime.
    """
    device = compute.device
    single = TorchRuntime(built, device)
    trial = _Trial(single, canaries, traits.name)
    # Where nobody asked for it, the next best will do without a warning.
    level = logging.INFO if compute.precision == "auto" else logging.WARNING
    for dtype in compute.dtypes() if traits.windows else ():
        half = TorchRuntime(built, device, dtype, single=single)
        if trial.holds(half, str(dtype), cosine=CLOSE, level=level):
            return half
    return (_on_onnx(built, compute, traits, trial) if onnx else None) or single


def _on_onnx(built: Built, compute: Compute, traits: Traits, trial: _Trial) -> Session | None:
    try:
        from retrieval.encoders.onnx_export import keep_places, open_session
        from retrieval.encoders.onnx_runtime import KeptGraph

        kept = KeptGraph(compute.graphs, traits.full_identity)
        example = torch.from_numpy(trial.canaries[0])
        session = open_session(
            built.module,
            example if built.front is None else built.front(example),
            kept=kept,
            threads=traits.session_threads(compute),
        )
    # Neither the exporter's errors nor the runtime's have a class in common, and a package may
    # be there, but not fit this machine.
    except Exception as error:
        log.warning("%s: not on ONNX Runtime, but on PyTorch: %s", traits.name, error)
        return None
    proofs, claim = Proofs(compute.graphs), traits.claim(session.digest)
    if not proofs.holds(*claim):
        if not trial.holds(session, "ONNX Runtime", cosine=SAME_DIRECTION, absolute=SAME):
            return None
        proofs.keep(*claim)
    if built.file is not None:
        keep_places(built.module, built.file, kept)
    return session


class _Trial:
    """Compares runtimes with PyTorch in single precision, which runs when it is first needed."""

    def __init__(self, single: Runtime, canaries: Sequence[NDArray[Any]], name: str) -> None:
        self._single, self.canaries, self._name = single, canaries, name
        self._expected: list[NDArray[np.float32]] = []

    def holds(
        self,
        runtime: Runtime,
        what: str,
        *,
        cosine: float,
        absolute: float = math.inf,
        level: int = logging.WARNING,
    ) -> bool:
        """Whether a runtime's rows are near enough; a line of the log says how near."""
        self._expected = self._expected or self._try(self._single)
        try:
            found = self._try(runtime)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            log.log(level, "%s: not in %s: %s", self._name, what, error)
            return False
        nearest, farthest = agreement(self._expected, found)
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

    def _try(self, runtime: Runtime) -> list[NDArray[np.float32]]:
        return [runtime.fetch(runtime(canary)) for canary in self.canaries]


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
