"""Where the weights of a network lie in their file, kept beside its graph.

PyTorch maps a file of weights and says where in memory a tensor is, not where in the file; that is
found out once, and compared value by value. What lies in no file, because it is computed when the
module is built, is kept in a small file of its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import struct
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from retrieval.encoders.fingerprint import Fingerprint

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

_MOST = 64 << 20
"""Bytes of what lies in no file; beyond that it is not kept."""

Place = tuple[int, int]
"""Offset and length in bytes."""


class Places(BaseModel):
    """Where tensors lie in a file.

    Attributes:
        file: Absolute, links resolved.
        fingerprint: Of the file, when it was found out.
        tensors: By the module's names.
        rest: SHA-256 of the small file with the other tensors.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    fingerprint: Fingerprint
    tensors: dict[str, Place]
    rest: str

    def hold(self) -> bool:
        """Whether the file is still the one it was."""
        return Fingerprint.of(Path(self.file)) == self.fingerprint


def read_places(graph: Path) -> tuple[Places, dict[str, NDArray[Any]]] | None:
    """What is kept beside a graph, and the tensors that are in no other file.

    Returns:
        None if nothing is kept, or the file of weights is not the one it was.
    """
    from safetensors.numpy import load

    try:
        places = Places.model_validate_json(graph.with_suffix(".json").read_bytes())
        rest = graph.with_suffix(".safetensors").read_bytes()
    except (OSError, ValidationError):
        return None
    if not places.hold() or hashlib.sha256(rest).hexdigest() != places.rest:
        return None
    return places, load(rest)


def find_places(file: Path, tensors: Mapping[str, torch.Tensor]) -> tuple[Places, bytes] | None:
    """Find out where a module's tensors lie.

    Args:
        file: PyTorch's or safetensors'; the tensors, or most of them, are mapped from it.
        tensors: On the CPU.

    Returns:
        Their places, and the rest as a safetensors file; None if too much is in no file, or the
        file was written just now.
    """
    from safetensors.numpy import save

    file = file.resolve()
    fingerprint = Fingerprint.of(file)
    if fingerprint is None or not fingerprint.settled:
        return None
    placed, rest = {}, {}
    content = np.memmap(file, np.uint8, "r")
    base = _base(_records(file), tensors)
    for name, tensor in tensors.items():
        values = tensor.detach().contiguous().numpy()
        offset, length = tensor.data_ptr() - base, values.nbytes
        if (
            tensor.is_contiguous()
            and 0 <= offset <= len(content) - length
            and _same(content[offset : offset + length], values)
        ):
            placed[name] = offset, length
        else:
            rest[name] = values
    if sum(values.nbytes for values in rest.values()) > _MOST:
        log.info("%s: read with PyTorch at every start, for it holds other numbers", file)
        return None
    kept = save(rest)
    places = Places(
        file=str(file),
        fingerprint=fingerprint,
        tensors=placed,
        rest=hashlib.sha256(kept).hexdigest(),
    )
    return (places, kept) if places.hold() else None


def _base(records: Mapping[int, int], tensors: Mapping[str, torch.Tensor]) -> int:
    """The address in memory of the file's first byte, or 0 if it does not seem to be mapped.

    A mapping begins with a page, and every storage in it is one record of the file; what most of
    them agree on is the address.
    """
    offsets: dict[int, list[int]] = {}
    for offset, size in records.items():
        offsets.setdefault(size, []).append(offset)
    storages = {s.data_ptr(): s.nbytes() for s in (t.untyped_storage() for t in tensors.values())}
    votes = Counter(
        address - offset
        for address, size in storages.items()
        for offset in offsets.get(size, ())
        if (address - offset) % mmap.PAGESIZE == 0
    )
    return max(votes, key=lambda base: votes[base], default=0)


def _records(file: Path) -> dict[int, int]:
    """Lengths of the parts of a file that tensors are made of, by their offsets."""
    with file.open("rb") as opened:
        if not zipfile.is_zipfile(opened):
            opened.seek(0)
            (length,) = struct.unpack("<Q", opened.read(8))
            header = json.loads(opened.read(length))
            header.pop("__metadata__", None)
            spans = [entry["data_offsets"] for entry in header.values()]
            return {8 + length + start: end - start for start, end in spans}
        found = {}
        for entry in zipfile.ZipFile(opened).infolist():
            if entry.compress_type != zipfile.ZIP_STORED:
                continue
            opened.seek(entry.header_offset + 26)
            name, extra = struct.unpack("<HH", opened.read(4))
            found[entry.header_offset + 30 + name + extra] = entry.file_size
        return found


def _same(one: NDArray[np.uint8], other: NDArray[Any]) -> bool:
    return np.array_equal(one, other.reshape(-1).view(np.uint8))
