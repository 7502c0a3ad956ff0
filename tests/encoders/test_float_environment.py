"""Numbers next to zero stay what they are around networks that take them as zero."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper
from retrieval.encoders.float_environment import FloatEnvironment

def halved():
    return np.array([2.2250738585072014e-308])[0] / 2

node = helper.make_node("Relu", ["input"], ["output"])
info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in ("input", "output")]
graph = helper.make_model(
    helper.make_graph([node], "one", info[:1], info[1:]),
    opset_imports=[helper.make_opsetid("", 17)], ir_version=8,
)
options = onnxruntime.SessionOptions()
options.add_session_config_entry("session.set_denormal_as_zero", "1")
floats = FloatEnvironment()
with floats.learn():
    onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    inside = halved()
after = halved()
with floats.use():
    again = halved()
print(inside == 0.0, after > 0.0, again == 0.0, halved() > 0.0)
"""


def test_what_a_session_sets_holds_while_it_runs_and_nowhere_else() -> None:
    pytest.importorskip("onnxruntime")
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 4
