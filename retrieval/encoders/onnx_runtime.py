"""Networks on ONNX Runtime: on a CPU up to twice as fast as PyTorch, and as exact.

Only the graph of a network, less than a megabyte, is exported and kept; the weights stay where they
are, and are handed to ONNX Runtime in memory. So nothing large is written, and weights that were
replaced cannot be mixed up with those of a graph.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import transformers
from numpy.typing import NDArray

log = logging.getLogger(__name__)

_FORMAT = 1
"""Raise it with any change to how graphs are made."""
_OPSET = 17
_INPUT, _OUTPUT = "input", "output"


class Session:
    """One network: a batch of inputs to rows of float32; safe to call from several threads.

    Attributes:
        digest: Of the graph, without the weights.
    """

    def __init__(self, graph: bytes, tensors: Mapping[str, torch.Tensor], *, threads: int) -> None:
        """Prepare the network to run.

        Args:
            graph: As ``export`` makes it.
            tensors: The weights, under the names of the module that was exported.
            threads: For one call.

        Raises:
            Exception: Of ONNX Runtime's, without a common class, if the graph is damaged.
        """
        self.digest = hashlib.sha256(graph).hexdigest()
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
        # They are not copied, so this object holds on to them.
        self._weights = {
            weight.name: _share(tensors[weight.name])
            for weight in onnx.load_from_string(graph).graph.initializer
            if weight.data_location == onnx.TensorProto.EXTERNAL
        }
        options.add_external_initializers(list(self._weights), list(self._weights.values()))
        self._session = onnxruntime.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"]
        )
        _trim()

    def __call__(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Rows (n, dim) of a batch of n inputs."""
        (rows,) = self._session.run([_OUTPUT], {_INPUT: batch})
        return np.asarray(rows)


def _share(tensor: torch.Tensor) -> Any:
    return onnxruntime.OrtValue.ortvalue_from_numpy(tensor.detach().contiguous().numpy())


def _trim() -> None:
    """Give back what glibc keeps of the copies that were made on the way: all weights once more."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def open_session(
    module: torch.nn.Module,
    example: torch.Tensor,
    *,
    identity: str,
    folder: Path,
    threads: int,
) -> Session:
    """A module on ONNX Runtime, from its kept graph or from a new one, which is kept.

    Args:
        module: In evaluation mode, on the CPU; takes one tensor and gives one.
        example: A batch of at least two; the sizes of the first axis and, if it is one of samples,
            rows or tokens, of the second may be others later.
        identity: Of the module: its weights and what it makes of them.
        folder: Where graphs are kept; made if need be.
        threads: For one call.

    Raises:
        Exception: Of PyTorch's exporter or of ONNX Runtime's, if this module is none for it.
    """
    path = folder / f"{_key(identity)}.onnx"
    tensors = module.state_dict()
    try:
        return Session(path.read_bytes(), tensors, threads=threads)
    except FileNotFoundError:
        log.debug("%s: no graph yet", path)
    except Exception as error:
        log.warning("%s: made anew, for it cannot be used: %s", path, error)
    graph = export(module, example)
    session = Session(graph, tensors, threads=threads)
    _keep(path, graph)
    return session


def export(module: torch.nn.Module, example: torch.Tensor) -> bytes:
    """The graph of a module, its weights left outside under their names.

    Args:
        module: As for ``open_session``.
        example: As for ``open_session``.
    """
    axes = {0: "batch"} if example.ndim > 3 else {0: "batch", 1: "length"}
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # Of tracing (shapes that are the same for all inputs), and that there is a newer exporter,
        # which takes ten times as long and needs more packages.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (example,),
            buffer,
            input_names=[_INPUT],
            output_names=[_OUTPUT],
            dynamic_axes={_INPUT: axes, _OUTPUT: {0: "batch"}},
            opset_version=_OPSET,
            export_params=False,
            do_constant_folding=False,
            dynamo=False,
        )
    model = onnx.load_from_string(buffer.getvalue())
    inputs = list(model.graph.input)
    del model.graph.input[:]
    for value in inputs:
        if value.name == _INPUT:
            model.graph.input.append(value)
            continue
        kind = value.type.tensor_type
        weight = model.graph.initializer.add(name=value.name, data_type=kind.elem_type)
        weight.dims.extend(axis.dim_value for axis in kind.shape.dim)
        weight.data_location = onnx.TensorProto.EXTERNAL
        # The format wants a file, but ONNX Runtime is given the values under their names.
        weight.external_data.add(key="location", value="in-memory")
    return bytes(model.SerializeToString())


def _key(identity: str) -> str:
    versions = (_FORMAT, _OPSET, torch.__version__, transformers.__version__)
    return hashlib.sha256(repr((versions, identity)).encode()).hexdigest()[:32]


def _keep(path: Path, graph: bytes) -> None:
    """Write a graph whole or not at all; without it, the next start takes seconds longer."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            part = Path(file.name)
            try:
                file.write(graph)
                file.flush()
                os.fsync(file.fileno())
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s: the graph cannot be kept: %s", path, error)
