"""Networks on ONNX Runtime: on a CPU up to twice as fast as PyTorch, and as exact.

Only the graph of a network, less than a megabyte, is exported and kept; the weights stay where they
are, and ONNX Runtime is given them in memory or told where they lie in their file. So nothing large
is written, and weights that were replaced cannot be mixed up with those of a graph.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from retrieval.encoders.float_environment import FloatEnvironment
from retrieval.encoders.network import Runtime
from retrieval.encoders.onnx_places import Places, read_places
from retrieval.encoders.proofs import package_version

log = logging.getLogger(__name__)

FORMAT = 2
"""Raise it with any change to how graphs are made."""
OPSET = 17
INPUT, OUTPUT = "input", "output"
_FLOATS = FloatEnvironment()
"""One for all sessions: ONNX Runtime sets it with the first of a process only."""


class Session:
    """One network: a batch of inputs to rows of float32; safe to call from several threads.

    Attributes:
        digest: Of the graph, without the weights.
        name: See ``Runtime``, likewise the next two.
        dtype: Of all that is computed.
        single: None.
    """

    name = "onnx"
    dtype = "float32"
    single: Runtime | None = None

    def __init__(
        self,
        graph: bytes,
        tensors: Mapping[str, NDArray[Any]],
        *,
        threads: int,
        places: Places | None = None,
    ) -> None:
        """Prepare the network to run.

        Args:
            graph: As ``onnx_export.export`` makes it.
            tensors: Weights in memory, under the names of the module that was exported.
            threads: For one call.
            places: Where the others lie; ONNX Runtime maps their file, so that what this takes
                does not grow with them.

        Raises:
            Exception: Of ONNX Runtime's, without a common class, if the graph is damaged.
        """
        self.digest = graph_digest(graph)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # An arena would keep what the largest batches of all threads together have needed.
        options.enable_cpu_mem_arena = False
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        # Threads that spin beside others' work cost four times the time.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        model = onnx.load_from_string(graph)
        # They are not copied, so this object holds on to them.
        self._weights: dict[str, Any] = {}
        for weight in model.graph.initializer:
            if weight.data_location != onnx.TensorProto.EXTERNAL:
                continue
            if places is not None and weight.name in places.tensors:
                _point(weight, places)
            else:
                tensor = tensors[weight.name]
                self._weights[weight.name] = onnxruntime.OrtValue.ortvalue_from_numpy(tensor)
        if places is not None:
            folder = str(Path(places.file).parent)
            options.add_session_config_entry(_FOLDER, folder)
            graph = model.SerializeToString()
        options.add_external_initializers(list(self._weights), list(self._weights.values()))
        with _FLOATS.learn():
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        _trim()

    def __call__(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Rows (n, dim) of a batch of n inputs."""
        with _FLOATS.use():
            (rows,) = self._session.run([OUTPUT], {INPUT: batch})
        return np.asarray(rows)

    def fetch(self, found: NDArray[np.float32]) -> NDArray[np.float32]:
        """See ``Runtime``; nothing is left to be done."""
        return found


_FOLDER = "session.model_external_initializers_file_folder_path"


def _point(weight: onnx.TensorProto, places: Places) -> None:
    offset, length = places.tensors[weight.name]
    del weight.external_data[:]
    for key, value in (
        ("location", Path(places.file).name),
        ("offset", str(offset)),
        ("length", str(length)),
    ):
        weight.external_data.add(key=key, value=value)


def _trim() -> None:
    """Give back what glibc keeps of the copies that were made on the way: all weights once more."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def graph_digest(graph: bytes) -> str:
    """What a proof knows a graph by."""
    return hashlib.sha256(graph).hexdigest()


class KeptGraph:
    """The files that are kept of one network: its graph, and where its weights lie.

    Attributes:
        path: Of the graph.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        """Read nothing yet.

        Args:
            folder: Made when there is something to keep.
            identity: Of the network: its weights and what is made of them.
        """
        versions = (FORMAT, OPSET, package_version("torch"), package_version("transformers"))
        key = hashlib.sha256(repr((versions, identity)).encode()).hexdigest()[:32]
        self.path = folder / f"{key}.onnx"

    def read(self) -> bytes | None:
        """The graph, or None if there is none that can be read."""
        try:
            return self.path.read_bytes()
        except OSError:
            return None

    def open(self, graph: bytes, *, threads: int) -> Session | None:
        """The network on its weights' own file, without PyTorch; None where that cannot be.

        Args:
            graph: As ``read`` gave it.
            threads: For one call.
        """
        found = read_places(self.path)
        if found is None:
            return None
        places, rest = found
        try:
            session = Session(graph, rest, threads=threads, places=places)
        except Exception as error:  # ONNX Runtime's errors have no class in common.
            log.info("%s: not opened from its weights' file: %s", self.path, error)
            return None
        # Replaced while it was read.
        return session if places.hold() else None
