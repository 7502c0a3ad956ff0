"""Files of weights: read without running anything in them, fitted strictly, and digested.

PyTorch is imported by what needs it: to find files and to name their faults takes none.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, TypeAlias

from retrieval.core.errors import PreconditionError

if TYPE_CHECKING:
    import torch

Tensors: TypeAlias = "dict[str, torch.Tensor]"

# Made by their modules from sizes alone; checkpoints of some ages carry them, others do not.
_STRUCTURAL = frozenset({"position_ids", "token_type_ids", "relative_position_index"})
_CHUNK = 1 << 22
_AGAIN = "fetch it again with segue models download"


def invalid(path: Path, problem: str) -> PreconditionError:
    """The error of a file of weights that is not what it should be."""
    return PreconditionError(
        f"{path}: {problem}", reason="MODEL_INVALID", metadata={"path": str(path)}
    )


def missing(path: Path, problem: str) -> PreconditionError:
    """The error of a file of weights that is not there."""
    return PreconditionError(
        f"{path}: {problem}", reason="MODEL_MISSING", metadata={"path": str(path)}
    )


def verify_sha256(path: Path, expected: str | None) -> None:
    """Compare a file with its published digest, if there is one to compare with.

    Args:
        path: The file.
        expected: 64 hexadecimal digits; None accepts the file as it is.

    Raises:
        PreconditionError: MODEL_INVALID if the file has another digest.
    """
    if expected is None:
        return
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != expected.lower():
        raise invalid(
            path,
            f"its SHA-256 is {digest.hexdigest()}, not {expected.lower()}; {_AGAIN}",
        )


def read_torch(path: Path, *, allow: Iterable[Any] = ()) -> Any:
    """What ``torch.save`` wrote: mapped into memory, and never executed.

    Args:
        path: The file.
        allow: Globals that the pickle may name besides tensors and plain containers.

    Raises:
        PreconditionError: MODEL_MISSING if there is no such file; MODEL_INVALID if it is truncated,
            is no checkpoint, or asks for code to be run.
    """
    import torch

    if not path.is_file():
        raise missing(path, "no such file of weights")
    try:
        # Files from before PyTorch 1.6 are no zip archives and cannot be mapped.
        mapped = zipfile.is_zipfile(path)
        with torch.serialization.safe_globals(list(allow)):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except UnpicklingError as error:
        raise invalid(
            path,
            "this file asks for more than tensors to be loaded, which could run code, or is "
            f"damaged; {_AGAIN}, or convert it to safetensors on a machine that may be lost",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        raise invalid(path, f"truncated, or no file of PyTorch weights; {_AGAIN}") from error


def read_safetensors(path: Path) -> tuple[Tensors, dict[str, str]]:
    """The tensors of a safetensors file, mapped into memory, and its metadata.

    Raises:
        PreconditionError: MODEL_MISSING if there is no such file; MODEL_INVALID if it is truncated
            or no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise missing(path, "no such file of weights")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise invalid(path, f"truncated, or no safetensors file; {_AGAIN}") from error


def write_safetensors(path: Path, tensors: Tensors, metadata: Mapping[str, str]) -> None:
    """Write tensors whole or not at all.

    Raises:
        OSError: If the disk is full or the folder cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    part = path.with_name(path.name + ".part")
    try:
        save_file({k: v.contiguous() for k, v in tensors.items()}, part, dict(metadata))
        part.replace(path)
    except SafetensorError as error:
        raise OSError(f"{path}: cannot be written: {error}") from error
    finally:
        part.unlink(missing_ok=True)


def read_config(path: Path) -> dict[str, Any]:
    """A ``config.json`` beside weights.

    Raises:
        PreconditionError: MODEL_MISSING if there is none; MODEL_INVALID if it is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise missing(path, "no such file; it comes with the weights") from error
    except (OSError, ValueError) as error:
        raise invalid(path, "not a JSON file") from error
    if not isinstance(value, dict):
        raise invalid(path, "not a JSON object")
    return value


def take_tensors(value: object, path: Path) -> Tensors:
    """A state dict as float32 (integers stay), checked to hold nothing but tensors.

    Raises:
        PreconditionError: MODEL_INVALID if something else is in it.
    """
    import torch

    if not isinstance(value, Mapping) or not value:
        raise invalid(path, "there is no state dict in this file")
    tensors: Tensors = {}
    for name, tensor in value.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise invalid(path, f"{name!r} is not a tensor")
        tensors[name] = tensor.float() if tensor.is_floating_point() else tensor
    return tensors


def part(tensors: Tensors, prefix: str) -> Tensors:
    """The tensors below a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def fit(module: torch.nn.Module, tensors: Tensors, path: Path) -> None:
    """Give a module that was built on the meta device its weights, without a copy.

    Args:
        module: Left in evaluation mode, without gradients.
        tensors: Exactly the module's parameters and buffers.
        path: Named in errors.

    Raises:
        PreconditionError: MODEL_INVALID if a tensor is missing, unknown or of another shape.
    """
    expected = {k: v for k, v in module.state_dict().items() if not _structural(k)}
    given = {k: v for k, v in tensors.items() if not _structural(k)}
    absent = sorted(expected.keys() - given.keys())
    unknown = sorted(given.keys() - expected.keys())
    bent = sorted(k for k in expected.keys() & given.keys() if expected[k].shape != given[k].shape)
    for what, names in (("missing", absent), ("unknown", unknown), ("of another shape", bent)):
        if names:
            shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            raise invalid(path, f"{len(names)} tensors are {what} ({shown}): not this model")
    module.load_state_dict(given, assign=True, strict=False)
    _restore_structure(module)
    module.eval().requires_grad_(False)


def digest_tensors(tensors: Tensors) -> str:
    """A digest of names, types, shapes and values, the same for every file they may lie in."""
    import torch

    def one(name: str) -> bytes:
        tensor = tensors[name].contiguous()
        head = f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
        # A view as bytes, since not every type of torch has a counterpart in NumPy.
        body = tensor.reshape(-1).view(torch.uint8).numpy()
        return head + hashlib.sha256(memoryview(body)).digest()

    total = hashlib.sha256()
    names = sorted(name for name in tensors if not _structural(name))
    with ThreadPoolExecutor() as pool:  # Digesting releases the interpreter's lock.
        for line in pool.map(one, names):
            total.update(line)
    return total.hexdigest()


def _structural(name: str) -> bool:
    return name.rpartition(".")[2] in _STRUCTURAL


def _restore_structure(module: torch.nn.Module) -> None:
    import torch

    for owner in module.modules():
        for name, buffer in list(owner.named_buffers(recurse=False)):
            if not buffer.is_meta:
                continue
            if name == "position_ids":
                value = torch.arange(buffer.shape[-1]).expand(buffer.shape)
            elif name == "token_type_ids":
                value = torch.zeros(buffer.shape, dtype=torch.long)
            else:
                value = owner.create_relative_position_index()
            setattr(owner, name, value)


def begin_folder(folder: Path, tokenizer: Path) -> None:
    """Start a folder of converted weights with its tokenizer; the weights are to come last.

    Args:
        folder: Made if need be.
        tokenizer: Copied under its own name, unless it lies there already.

    Raises:
        OSError: If the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / tokenizer.name
    if copy.resolve() != tokenizer.resolve():
        copy.write_bytes(tokenizer.read_bytes())
