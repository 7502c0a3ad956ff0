"""The runtimes that networks have on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest


@contextmanager
def running_on(runtime: str, *, threads: int | None = None) -> Iterator[None]:
    """Encoders that are made here run on ``torch`` or ``onnx``; skips where it is not installed."""
    if runtime == "onnx" and not (find_spec("onnx") and find_spec("onnxruntime")):
        pytest.skip("the onnx extra is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGUE_RUNTIME", runtime)
        if threads is not None:
            patch.setenv("SEGUE_THREADS", str(threads))
        yield
