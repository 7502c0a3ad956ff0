"""Vectors in ``.npy`` files, as CLAMP3's scripts keep them: read as hostile, written whole."""

from __future__ import annotations

import errno
import hashlib
import io
import math
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from retrieval.core.errors import BusyError, InvalidInputError
from retrieval.core.spaces import MAX_DIM

EXTENSION = ".npy"
MAX_BYTES = 64 * 1024 * 1024
"""Largest file that is read: a day of 768 values per 5 s, in float32."""

_TYPES = frozenset({"f2", "f4", "f8"})
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What one file holds.

    Attributes:
        rows: float32, (n, dim): one row for the whole track, or one per window or frame.
        windowed: Whether the rows are windows, so that the file has three axes.
        framed: Whether they are several frames, so that the file has two axes.
        digest: Of the file's bytes, 32 hexadecimal digits.
    """

    rows: NDArray[np.float32]
    windowed: bool
    framed: bool
    digest: str


def is_features(path: str) -> bool:
    """Whether the extension is ``.npy``, in any letter case."""
    return Path(path).suffix.lower() == EXTENSION


def read_features(path: Path) -> Features:
    """Read one file: float16, float32 or float64 of one of four shapes.

    (dim,), (1, dim), (frames, dim) or (1, windows, dim).

    Nothing in it is ever executed or unpickled, and no more than the file's own size is allocated.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE if it is no such file; INVALID_VECTOR if a value is
            NaN, infinite or too large for float32, or a row is all zeros.
        OSError: It cannot be read.
    """
    with open_regular(path) as stream:
        content = stream.read(MAX_BYTES)
    values = read_array(content, _check_shape)
    rows = values.reshape(-1, values.shape[-1])
    framed = values.ndim == 2 and len(rows) > 1
    # Of many frames some may be silent.
    if not (rows.any() if framed else rows.any(axis=1).all()):
        raise _bad("a row of zeros has no direction to compare", "INVALID_VECTOR")
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    return Features(rows, values.ndim == 3, framed, digest)


def read_array(content: bytes, check: Callable[[tuple[int, ...]], None]) -> NDArray[np.float32]:
    """The array of a whole ``.npy`` file: float16, float32 or float64 to float32.

    Args:
        content: The file.
        check: Told the shape before anything is made of the data; raises if it will not do.

    Raises:
        InvalidInputError: As ``read_features``, but for rows of zeros.
    """
    whole = io.BytesIO(content)
    shape, order, dtype = _header(whole)
    check(shape)
    data = memoryview(content)[whole.tell() :]
    wanted = math.prod(shape) * dtype.itemsize
    if len(data) != wanted:
        raise _bad(f"its header promises {wanted} bytes of data, it holds {len(data)}")
    values = np.frombuffer(data, dtype).reshape(shape, order=order)
    if not np.isfinite(values).all():
        raise _bad("values must be finite (no NaN, no infinity)", "INVALID_VECTOR")
    with np.errstate(over="ignore"):
        found = np.array(values, dtype=np.float32, order="C")
    if not np.isfinite(found).all():
        raise _bad("values must fit float32", "INVALID_VECTOR")
    return found


def read_width(path: Path) -> int:
    """The length of the rows that a file promises, read from its header alone.

    Raises:
        InvalidInputError: As ``read_features``.
        OSError: It cannot be read.
    """
    with open_regular(path) as stream:
        shape = _header(stream)[0]
    _check_shape(shape)
    return shape[-1]


def to_bytes(vector: NDArray[np.float32]) -> bytes:
    """The ``.npy`` file of one vector as the reference writes it: float32 (1, dim)."""
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(vector, dtype="<f4").reshape(1, -1), allow_pickle=False)
    return buffer.getvalue()


def holds(path: Path, data: bytes) -> bool:
    """Whether a regular file has exactly these bytes."""
    try:
        status = path.lstat()
        same = stat.S_ISREG(status.st_mode) and status.st_size == len(data)
        return same and path.read_bytes() == data
    except OSError:
        return False


def replace_file(path: Path, data: bytes) -> None:
    """Put a file in its place in one step; what was there before stays if that fails.

    Raises:
        BusyError: DISK_FULL.
        OSError: It cannot be written.
    """
    part = path.with_name(f".segue-{secrets.token_hex(8)}")
    try:
        with part.open("xb") as stream:
            stream.write(data)
        part.replace(path)
    except OSError as error:
        raise_if_full(error, path)
        raise
    finally:
        part.unlink(missing_ok=True)


def raise_if_full(error: OSError, path: Path) -> None:
    """Turn the system's word for a full disk or quota into ours.

    Raises:
        BusyError: DISK_FULL, if that is what the error says.
    """
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        raise BusyError(
            f"the disk is full at {path}; make room and run the same command to go on",
            reason="DISK_FULL",
            metadata={"path": str(path)},
        ) from error


def open_regular(path: Path, most: int = MAX_BYTES) -> BinaryIO:
    """Open a file that somebody else wrote.

    Args:
        path: The file.
        most: Bytes that it may hold.

    Raises:
        InvalidInputError: FEATURES_UNREADABLE if it is no regular file, or larger.
        OSError: It cannot be read.
    """
    # A pipe would wait for a writer for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    stream = os.fdopen(descriptor, "rb")
    status = os.fstat(descriptor)
    try:
        if not stat.S_ISREG(status.st_mode):
            raise _bad("not a regular file (a pipe, socket or device)")
        if status.st_size > most:
            raise _bad(f"{status.st_size} bytes; at most {most} are read")
    except BaseException:
        stream.close()
        raise
    return stream


def _header(stream: BinaryIO) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype[Any]]:
    try:
        read = _HEADERS[npy.read_magic(stream)]
        shape, fortran, dtype = read(stream)
    except OSError:
        raise
    except Exception as error:
        # The parser of the header raises whatever a hostile one makes it stumble on.
        raise _bad("not a NumPy array file (.npy)") from error
    if dtype.str[1:] not in _TYPES:
        raise _bad(f"its values are {dtype.str[:20]}; float16, float32 and float64 are read")
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in shape):
        raise _bad(f"its shape is {str(shape)[:80]}")
    return shape, "F" if fortran else "C", dtype


def _check_shape(shape: tuple[int, ...]) -> None:
    fits = len(shape) in {1, 2} or (len(shape) == 3 and shape[0] == 1)
    if not fits or not all(n >= 1 for n in shape) or shape[-1] > MAX_DIM:
        raise _bad(
            f"its shape is {str(shape)[:80]}; (dim,), (1, dim), (frames, dim) and "
            "(1, windows, dim) are read"
        )


def _bad(message: str, reason: str = "FEATURES_UNREADABLE") -> InvalidInputError:
    return InvalidInputError(message, reason=reason)
