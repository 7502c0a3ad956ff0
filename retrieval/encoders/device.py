"""Where models run, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from retrieval.core.errors import PreconditionError
from retrieval.settings import Settings


@dataclass(frozen=True, slots=True)
class Compute:
    """Where networks run, and how.

    Attributes:
        device: Where.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``, of networks for sound.
        runtime: ``auto``, ``torch`` or ``onnx``, on the CPU.
        threads: For work on the CPU.
        graphs: Folder of what was exported for ONNX Runtime.
    """

    device: torch.device
    precision: str = "fp32"
    runtime: str = "torch"
    threads: int = 1
    graphs: Path = Path("graphs")

    def dtypes(self) -> tuple[torch.dtype, ...]:
        """Types of less than single precision to try, the best first."""
        if self.precision == "auto":
            if self.device.type != "cuda":
                return ()
            # float16 comes a hundred times as close; bfloat16 reaches as far as single precision,
            # but only newer GPUs compute in it.
            new = torch.cuda.get_device_capability(self.device) >= (8, 0)
            return (torch.float16, torch.bfloat16) if new else (torch.float16,)
        named = {"bf16": (torch.bfloat16,), "fp16": (torch.float16,)}
        return named.get(self.precision, ())

    def wants_onnx(self) -> bool:
        """Whether to try ONNX Runtime."""
        return self.device.type == "cpu" and self.runtime != "torch"


def choose_compute(device: str) -> Compute:
    """Where and how the settings want networks to run; sets the threads of PyTorch.

    Args:
        device: As ``choose_device``.

    Raises:
        PreconditionError: MODEL_MISSING if this machine or this PyTorch has no such device.
    """
    settings = Settings()
    chosen = choose_device(device)
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    return Compute(
        device=chosen,
        precision=settings.precision,
        runtime=settings.runtime,
        # Unless told otherwise, PyTorch takes the cores it may run on, or OMP_NUM_THREADS.
        threads=torch.get_num_threads(),
        graphs=settings.data_dir / "graphs",
    )


def choose_device(name: str) -> torch.device:
    """The device of a setting, made ready to give the same vectors as the CPU.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:N``, ``mps``, or ``auto`` for CUDA if there is any.

    Raises:
        PreconditionError: MODEL_MISSING if this machine or this PyTorch has no such device.
    """
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
    if setting in {"auto", "cuda"} and torch.cuda.device_count() > 1:
        names = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    for name in names[1:]:
        choose_device(name)
    return names


def batch_size(device: torch.device, *, cpu: int, accelerated: int) -> int:
    """How many inputs share a forward pass.

    On the CPU, windows of sound gain nothing from company, and one at a time take least memory; of
    texts and other short sequences sixteen share one reading of the weights and cost a fourth.

    Args:
        device: Where the model runs.
        cpu: The number there.
        accelerated: The number for other devices.
    """
    return cpu if device.type == "cpu" else accelerated
