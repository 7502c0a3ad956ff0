"""Where models run, and how; PyTorch is imported only to be asked for what is not a CPU."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.core.cores import usable_cores
from retrieval.core.errors import PreconditionError
from retrieval.encoders.proofs import package_version
from retrieval.settings import Settings

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Compute:
    """Where networks run, and how.

    Attributes:
        name: Of the device, as PyTorch calls it.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``, of networks for sound.
        runtime: ``auto``, ``torch`` or ``onnx``, on the CPU.
        told_threads: For work on the CPU; None if nobody has said.
        graphs: Folder of what was exported for ONNX Runtime.
    """

    name: str = "cpu"
    precision: str = "fp32"
    runtime: str = "torch"
    told_threads: int | None = None
    graphs: Path = Path("graphs")

    @property
    def device(self) -> torch.device:
        """The device for PyTorch, which learns its threads."""
        import torch

        if self.told_threads is not None:
            torch.set_num_threads(self.told_threads)
        return torch.device(self.name)

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda`` or ``mps``."""
        return self.name.partition(":")[0]

    @property
    def threads(self) -> int:
        """For work on the CPU: as told, or as PyTorch does, or else one per usable core."""
        if self.told_threads is not None:
            return self.told_threads
        if torch := sys.modules.get("torch"):
            return int(torch.get_num_threads())
        first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
        return int(first) if first.isdecimal() and int(first) else usable_cores()

    def dtypes(self) -> tuple[torch.dtype, ...]:
        """Types of less than single precision to try, the best first."""
        if not self.wants_half():
            return ()
        import torch

        if self.precision == "auto":
            # float16 comes a hundred times as close; bfloat16 reaches as far as single precision,
            # but only newer GPUs compute in it.
            new = torch.cuda.get_device_capability(self.name) >= (8, 0)
            return (torch.float16, torch.bfloat16) if new else (torch.float16,)
        return (torch.bfloat16,) if self.precision == "bf16" else (torch.float16,)

    def wants_half(self) -> bool:
        """Whether to try less than single precision."""
        return self.precision in {"bf16", "fp16"} or (
            self.precision == "auto" and self.kind == "cuda"
        )

    def wants_onnx(self) -> bool:
        """Whether to try ONNX Runtime."""
        return self.kind == "cpu" and self.runtime != "torch"


def choose_compute(device: str, graphs: Path | None = None) -> Compute:
    """Where and how the settings want networks to run; sets the threads of PyTorch, once it is in.

    Args:
        device: As ``choose_device``.
        graphs: Folder of what is exported for ONNX Runtime; by default that of the settings.

    Raises:
        PreconditionError: MODEL_MISSING if this machine or this PyTorch has no such device.
        ImportError: If the ``models`` extra is not installed.
    """
    settings = Settings()
    if not package_version("torch"):
        raise ImportError("PyTorch is not installed", name="torch")
    if device == "auto" and not _may_have_cuda():
        device = "cpu"
    compute = Compute(
        name=device if device == "cpu" else str(choose_device(device)),
        precision=settings.precision,
        runtime=settings.runtime,
        told_threads=settings.threads,
        graphs=graphs or settings.graphs_dir,
    )
    if "torch" in sys.modules:
        _ = compute.device
    return compute


def choose_device(name: str) -> torch.device:
    """The device of a setting, made ready to give the same vectors as the CPU.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:N``, ``mps``, or ``auto`` for CUDA if there is any.

    Raises:
        PreconditionError: MODEL_MISSING if this machine or this PyTorch has no such device.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    usable = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not usable.get(device.type, False):
        raise PreconditionError(
            f"SEGUE_DEVICE: there is no {name!r} here; use cpu, or install a PyTorch that knows it",
            reason="MODEL_MISSING",
            metadata={"device": name},
        )
    # cuDNN would round convolutions to TensorFloat-32, worth three decimals of a vector.
    torch.backends.cudnn.allow_tf32 = False
    return device


def device_names(setting: str) -> list[str]:
    """The devices that indexing may use at once; queries use the first.

    Args:
        setting: Names as ``choose_device`` takes them, with commas; ``cuda`` and ``auto`` alone
            mean all GPUs if there are several.

    Raises:
        PreconditionError: MODEL_MISSING if one of several is not here.
    """
    names = setting.split(",")
    if setting == "cpu" or (setting == "auto" and not _may_have_cuda()):
        return names
    import torch

    if setting in {"auto", "cuda"} and torch.cuda.device_count() > 1:
        names = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    for name in names[1:]:
        choose_device(name)
    return names


def batch_size(kind: str, *, cpu: int, accelerated: int) -> int:
    """How many inputs share a forward pass.

    On the CPU, windows of sound gain nothing from company, and one at a time take least memory; of
    texts and other short sequences sixteen share one reading of the weights and cost a fourth.

    Args:
        kind: Of the device where the model runs, as ``Compute.kind``.
        cpu: The number on a CPU.
        accelerated: The number for other devices.
    """
    return cpu if kind == "cpu" else accelerated


def _may_have_cuda() -> bool:
    """Whether it is worth asking PyTorch for a GPU; importing it takes a second."""
    if "torch" in sys.modules:
        return True
    if sys.platform != "linux" or package_version("torch").endswith("+cpu"):
        return False
    try:
        # NVIDIA's driver, without which CUDA finds no device; the other is AMD's.
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()
    return True
