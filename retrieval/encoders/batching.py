"""Batches without padding, and smaller ones when memory runs out."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

from retrieval.core.errors import BusyError

log = logging.getLogger(__name__)

Result = TypeVar("Result")
# How PyTorch's allocators for the CPU and for MPS, and ONNX Runtime's, say it: they have no class.
_WORDS = (
    *("out of memory", "can't allocate memory", "failed to allocate memory"),
    *("alloc_failed", "bad_alloc"),
)


def by_length(lengths: Sequence[int], batch: int) -> list[list[int]]:
    """Places of inputs of equal length together, so that none has to be padded.

    Args:
        lengths: Of the inputs.
        batch: Inputs in one group at most, >= 1.

    Returns:
        Groups of places in ``lengths``, shortest inputs first; every place is in one group.
    """
    groups: dict[int, list[int]] = {length: [] for length in sorted(set(lengths))}
    for place, length in enumerate(lengths):
        groups[length].append(place)
    return [part for group in groups.values() for part in _cut(group, batch)]


class Batches(Generic[Result]):
    """Runs batches, halves those that do not fit into memory, and remembers what does.

    Attributes:
        size: Inputs that go through at once at most; never grows again.
    """

    def __init__(self, size: int, *, name: str) -> None:
        """Run nothing yet.

        Args:
            size: Inputs to try at once, >= 1.
            name: Of the network, for the log and errors.
        """
        self.size = size
        self._name = name

    def run(
        self,
        lengths: Sequence[int],
        forward: Callable[[list[int]], Result],
        executor: Executor | None = None,
    ) -> list[tuple[list[int], Result]]:
        """Call ``forward`` for groups of inputs of equal length.

        Args:
            lengths: Of the inputs.
            forward: Takes places in ``lengths``, and may raise any error of too little memory.
            executor: Where groups run at the same time; what does not fit runs again, alone.

        Returns:
            Groups of places, each with its result.

        Raises:
            BusyError: OUT_OF_MEMORY if a single input does not fit.
        """

        def attempt(places: list[int]) -> tuple[list[int], Result] | list[int]:
            try:
                return places, forward(places)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                return places

        done: list[tuple[list[int], Result]] = []
        todo = (p for g in by_length(lengths, self.size) for p in _cut(g, self.size))
        # Lazily, without an executor: what one group learns about memory is known to the next.
        for found in (executor.map if executor else map)(attempt, todo):
            if isinstance(found, tuple):
                done.append(found)
            else:
                done.extend(self._again(found, attempt, alone=executor is None))
        return done

    def _again(
        self,
        places: list[int],
        attempt: Callable[[list[int]], tuple[list[int], Result] | list[int]],
        *,
        alone: bool,
    ) -> Iterator[tuple[list[int], Result]]:
        # Not while the error is handled, whose traceback holds on to the memory that is to go.
        _release()
        if len(places) > 1:
            half = len(places) // 2
            if half < self.size:
                log.warning(
                    "%s: out of memory with %d inputs at once; going on with %d",
                    *(self._name, len(places), half),
                )
                self.size = half
        elif alone:
            raise out_of_memory(self._name, "a single input does not fit into memory")
        for part in _cut(places, self.size):
            found = attempt(part)
            if isinstance(found, tuple):
                yield found
            else:
                yield from self._again(found, attempt, alone=True)


def out_of_memory(name: str, what: str) -> BusyError:
    """The error of a network that memory is too small for."""
    return BusyError(
        f"{name}: {what}; free some, or use another SEGUE_DEVICE",
        reason="OUT_OF_MEMORY",
        metadata={"network": name},
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of PyTorch, ONNX Runtime or NumPy means that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    # PyTorch's own class is a RuntimeError too, and its message one of these.
    words = str(error).lower()
    return any(one in words for one in _WORDS)


def _release() -> None:
    """Give what PyTorch's allocators keep for later back to the device."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _cut(places: list[int], size: int) -> list[list[int]]:
    return [places[i : i + size] for i in range(0, len(places), size)]
