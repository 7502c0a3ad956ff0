"""Where models run."""

from __future__ import annotations

import torch

from retrieval.core.errors import PreconditionError


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
