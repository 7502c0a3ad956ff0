"""Published checkpoints as safetensors, once and for all, in place or elsewhere."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from retrieval.core.errors import PreconditionError
from retrieval.encoders.weights_catalogue import Weights
from retrieval.encoders.weights_folder import sha256_of
from retrieval.encoders.weights_lock import (
    Lock,
    LockedFile,
    alone_in,
    explained,
    read_lock,
    write_lock,
)

_WORK = ".converting-"


def convert(weights: Weights, source: Path, target: Path) -> tuple[LockedFile, ...]:
    """Write the layout that loads fastest, from any layout there is; vectors stay the same.

    Args:
        weights: What is in the folder; decides the encoder.
        source: The folder with them.
        target: Made if need be; may be the same folder, whose files then stay beside the new ones.

    Returns:
        The new files.

    Raises:
        PreconditionError: MODEL_MISSING or MODEL_INVALID, with the file and the fix, also if the
            ``models`` extra is not installed.
        BusyError: DISK_FULL; nothing is left behind.
    """
    with alone_in(target):
        for left in target.glob(f"{_WORK}*"):
            shutil.rmtree(left, ignore_errors=True)
        with explained(target):
            work = Path(tempfile.mkdtemp(prefix=_WORK, dir=target))
        try:
            with explained(target):
                written = _write(weights, source, work)
                files = tuple(_describe(path) for path in written)
                for path in written:
                    path.replace(target / path.name)
                lock = read_lock(target) or Lock(weights=weights.name)
                write_lock(target, lock.model_copy(update={"converted": files}))
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return files


def _write(weights: Weights, source: Path, work: Path) -> list[Path]:
    """The new files; the one whose presence makes encoders read the new layout is the last."""
    try:
        if weights.encoder == "clamp3":
            from retrieval.encoders import clamp3_files

            last = clamp3_files.convert(source, work)
        else:
            from retrieval.encoders import clap_files

            clap_files.convert(source, work)
            last = work / clap_files.CONFIG
    except ImportError as error:
        raise PreconditionError(
            "conversion needs more packages: pip install 'segue[models]'",
            reason="MODEL_MISSING",
            metadata={"extra": "models"},
        ) from error
    return [*sorted(path for path in work.iterdir() if path != last), last]


def _describe(path: Path) -> LockedFile:
    return LockedFile(
        name=path.name, size=path.stat().st_size, sha256=sha256_of(path), pinned="converted"
    )
