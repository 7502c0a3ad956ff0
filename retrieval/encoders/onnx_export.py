"""From PyTorch to ONNX Runtime: the graph of a module is exported once, and kept."""

from __future__ import annotations

import io
import logging
import tempfile
import warnings
from pathlib import Path

import onnx
import onnxruntime
import torch

from retrieval.encoders.onnx_places import find_places
from retrieval.encoders.onnx_runtime import INPUT, OPSET, OUTPUT, KeptGraph, Session
from retrieval.encoders.proofs import keep_file

log = logging.getLogger(__name__)


def open_session(
    module: torch.nn.Module, example: torch.Tensor, *, kept: KeptGraph, threads: int
) -> Session:
    """A module on ONNX Runtime, from its kept graph or from a new one, which is kept.

    Args:
        module: In evaluation mode, on the CPU; takes one tensor and gives one.
        example: A batch of at least two; the sizes of the first axis and, if it is one of samples,
            rows or tokens, of the second may be others later.
        kept: The module's files.
        threads: For one call.

    Raises:
        Exception: Of PyTorch's exporter or of ONNX Runtime's, if this module is none for it.
    """
    tensors = {k: v.detach().contiguous().numpy() for k, v in module.state_dict().items()}
    graph = kept.read()
    if graph is not None:
        try:
            return Session(graph, tensors, threads=threads)
        except Exception as error:
            log.warning("%s: made anew, for it cannot be used: %s", kept.path, error)
    graph = export(module, example)
    session = Session(graph, tensors, threads=threads)
    keep_file(kept.path, graph)
    return session


def keep_places(module: torch.nn.Module, file: Path, kept: KeptGraph) -> None:
    """Remember where the module's weights lie, so that the next start needs no PyTorch.

    Args:
        module: As for ``open_session``.
        file: Of its weights.
        kept: The module's files, with its graph.
    """
    graph = kept.read()
    if graph is None:
        return
    weights = onnx.load_from_string(graph).graph.initializer
    names = [one.name for one in weights if one.data_location == onnx.TensorProto.EXTERNAL]
    state = module.state_dict()
    try:
        found = find_places(file, {name: state[name] for name in names})
    except (OSError, ValueError) as error:
        log.info("%s: where its tensors lie remains unknown: %s", file, error)
        return
    if found is not None:
        places, rest = found
        keep_file(kept.path.with_suffix(".safetensors"), rest)
        keep_file(kept.path.with_suffix(".json"), places.model_dump_json().encode())


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
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: axes, OUTPUT: {0: "batch"}},
            opset_version=OPSET,
            export_params=False,
            do_constant_folding=False,
            dynamo=False,
        )
    # While the weights are inputs, they are no constants that could be folded.
    model = onnx.load_from_string(_without_constants(buffer.getvalue()))
    inputs = list(model.graph.input)
    del model.graph.input[:]
    for value in inputs:
        if value.name == INPUT:
            model.graph.input.append(value)
            continue
        kind = value.type.tensor_type
        weight = model.graph.initializer.add(name=value.name, data_type=kind.elem_type)
        weight.dims.extend(axis.dim_value for axis in kind.shape.dim)
        weight.data_location = onnx.TensorProto.EXTERNAL
        # The format wants a file, but ONNX Runtime is told where the values are.
        weight.external_data.add(key="location", value="in-memory")
    return bytes(model.SerializeToString())


def _without_constants(graph: bytes) -> bytes:
    """The same graph after ONNX Runtime's basic simplifications: it loads in half the time.

    Of the arithmetic with shapes that tracing leaves, two thirds of all nodes, most is constant.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return path.read_bytes()
