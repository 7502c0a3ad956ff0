"""The weights of an extractor: found in a folder, read without running anything, and told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from retrieval.encoders.checkpoints import (
    Tensors,
    digest_tensors,
    invalid,
    missing,
    read_safetensors,
    read_torch,
)


def find_file(place: Path, patterns: Sequence[str], fix: str) -> Path:
    """The file of weights: the place itself, or the only one in that folder of these names.

    Raises:
        PreconditionError: MODEL_MISSING if there is none; MODEL_INVALID if there are several.
    """
    if place.is_file():
        return place
    found = sorted({path for pattern in patterns for path in place.glob(pattern)})
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:3])
        raise invalid(place, f"several files of weights in it ({names}); name one of them")
    if not found:
        raise missing(place, f"no weights there: {fix}")
    return found[0]


def read_checkpoint(path: Path, *, allow: Iterable[Any] = ()) -> Mapping[str, Any]:
    """What a checkpoint holds, in either format; never executed.

    Raises:
        PreconditionError: MODEL_MISSING or MODEL_INVALID.
    """
    if path.suffix == ".safetensors":
        return read_safetensors(path)[0]
    content = read_torch(path, allow=allow)
    if not isinstance(content, Mapping):
        raise invalid(path, "there is no state dict in this file")
    return content


def revision_of(name: str, tensors: Tensors, *method: object) -> str:
    """The revision of an extractor: a digest of its tensors and of all that it does with them."""
    digest = hashlib.sha256(repr((method, digest_tensors(tensors))).encode()).hexdigest()
    return f"{name}-{digest[:16]}"
