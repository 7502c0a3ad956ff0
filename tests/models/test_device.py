"""Where networks run, in what precision, and what happens when memory runs out."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from retrieval.core.errors import BusyError, ErrorKind  # noqa: E402
from retrieval.encoders.batching import Batches, is_out_of_memory  # noqa: E402
from retrieval.encoders.canaries import CLOSE  # noqa: E402
from retrieval.encoders.device import Compute, choose_compute  # noqa: E402
from retrieval.encoders.network import Built, Network, Traits  # noqa: E402


class Rooms(torch.nn.Module):
    """A layer for so many inputs at once; more fail as they do on some device."""

    def __init__(self, room: int, how: str = "cuda") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.room, self.how, self.seen = torch.nn.Linear(8, 4), room, how, []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(batch))
        if len(batch) > self.room:
            if self.how == "cuda":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            if self.how == "mps":
                raise RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)")
            torch.empty(1 << 60, dtype=torch.uint8)
        return self.layer(batch)


class Scaled(torch.nn.Module):
    """A layer, then a difference of large numbers that half precision cannot tell apart."""

    def __init__(self, offset: float = 0.0, scale: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.offset, self.scale = torch.nn.Linear(8, 8), offset, scale

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.layer(batch * self.scale + self.offset) - self.layer(
            torch.full_like(batch, self.offset)
        )


def network(module: torch.nn.Module, *, batch: int = 16, **compute: Any) -> Network:
    traits = Traits(
        name="small",
        identity="small",
        code=__name__,
        dim=module.layer.out_features,
        canaries=[inputs(2), inputs(1)],
        windows=True,
    )
    return Network(lambda: Built(module.eval()), Compute(**compute), traits, batch=batch)


def inputs(count: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (count, 8)).astype(np.float32)


@pytest.mark.parametrize("how", ["cuda", "mps", "cpu"])
def test_too_large_a_batch_is_halved_once_and_for_all(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    module = Rooms(3, how)
    small = network(module)
    given = inputs(16)
    rows = small(list(given))
    with torch.no_grad():
        expected = module.layer(torch.from_numpy(given)).numpy()
    assert np.abs(rows - expected).max() < 1e-6
    assert module.seen[:3] == [16, 8, 4]
    assert [record.args[1:] for record in caplog.records] == [(16, 8), (8, 4), (4, 2)]
    module.seen.clear()
    small(list(given))
    assert module.seen == [2] * 8
    assert len(caplog.records) == 3


def test_a_single_input_that_does_not_fit_fails_alone() -> None:
    small = network(Rooms(0), batch=4)
    with pytest.raises(BusyError, match="does not fit into memory") as caught:
        small(list(inputs(5)))
    assert (caught.value.kind, caught.value.reason) == (
        ErrorKind.RESOURCE_EXHAUSTED,
        "OUT_OF_MEMORY",
    )


def test_a_network_that_does_not_fit_at_all_says_so() -> None:
    small = network(Rooms(1), precision="fp16")
    with pytest.raises(BusyError, match="the network does not fit into memory") as caught:
        small(list(inputs(1)))
    assert caught.value.reason == "OUT_OF_MEMORY"


def test_other_errors_are_not_taken_for_it() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        network(Rooms(9))([np.zeros(7, np.float32)])
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_side_by_side_what_does_not_fit_runs_again_alone() -> None:
    def forward(places: list[int]) -> list[int]:
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError
        return places

    with ThreadPoolExecutor(3) as executor:
        done = Batches[list[int]](1, name="small").run([8] * 5, forward, executor)
    assert [places for places, _ in done] == [[0], [1], [2], [3], [4]]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_where_the_vectors_stay_the_same(precision: str) -> None:
    module = Scaled()
    half, single = network(module, precision=precision), network(module)
    given = list(inputs(5, seed=1))
    rows, expected = half(given), single(given)
    assert (half.dtype, single.dtype) == (
        {"bf16": "bfloat16", "fp16": "float16"}[precision],
        "float32",
    )
    assert rows.dtype == np.float32
    assert 0 < np.abs(rows - expected).max() < 0.1
    cosines = (rows * expected).sum(1) / np.linalg.norm(rows, axis=1)
    assert (cosines / np.linalg.norm(expected, axis=1)).min() >= CLOSE


def test_single_precision_where_they_would_not(caplog: pytest.LogCaptureFixture) -> None:
    module = Scaled(offset=1000.0)
    half, single = network(module, precision="bf16"), network(module)
    given = list(inputs(5, seed=1))
    assert np.array_equal(half(given), single(given))
    assert half.dtype == "float32"
    (record,) = caplog.records
    assert (record.levelno, "not in torch.bfloat16" in record.getMessage()) == (
        logging.WARNING,
        True,
    )


def test_what_overflows_is_computed_again_in_single_precision() -> None:
    module = Scaled()
    half, single = network(module, precision="fp16"), network(module)
    given = inputs(4, seed=1)
    given[2] *= 1e6
    rows, expected = half(list(given)), single(list(given))
    assert half.dtype == "float16"
    assert np.allclose(rows[2], expected[2], rtol=1e-5)
    assert np.abs(rows[[0, 1, 3]] - expected[[0, 1, 3]]).max() < 0.1


@pytest.mark.parametrize(
    ("device", "precision", "capability", "tried"),
    [
        ("cpu", "auto", None, ()),
        ("mps", "auto", None, ()),
        ("cuda", "auto", (7, 5), (torch.float16,)),
        ("cuda", "auto", (9, 0), (torch.float16, torch.bfloat16)),
        ("cuda", "fp32", (9, 0), ()),
        ("mps", "fp16", None, (torch.float16,)),
    ],
)
def test_what_is_tried(
    device: str,
    precision: str,
    capability: tuple[int, int] | None,
    tried: tuple[torch.dtype, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert Compute(device, precision=precision).dtypes() == tried


def test_threads_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    monkeypatch.delenv("SEGUE_THREADS", raising=False)
    try:
        assert choose_compute("cpu").threads == before
        monkeypatch.setenv("SEGUE_THREADS", str(before + 1))
        assert choose_compute("cpu").threads == torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_waiting_threads_sleep_and_what_mps_lacks_has_a_fallback(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from retrieval.core.errors import PreconditionError\n"
        "from retrieval.encoders.clap import ClapEncoder\n"
        "assert 'torch' not in sys.modules\n"
        "try: ClapEncoder(sys.argv[1])\n"
        "except PreconditionError: pass\n"
        "assert 'torch' not in sys.modules\n"
        "assert os.environ['OMP_WAIT_POLICY'] == 'PASSIVE'\n"
        "assert os.environ['PYTORCH_ENABLE_MPS_FALLBACK'] == '1'\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    arguments = [sys.executable, "-c", code, tmp_path / "nothing"]
    subprocess.run(arguments, check=True, env=environment)
