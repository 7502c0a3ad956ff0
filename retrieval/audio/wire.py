"""The frames that a decoder child and its parent exchange: kind, length, body."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any, TypeVar

from retrieval.core.errors import InvalidInputError

JOB, DATA, HEADER, BLOCK, ERROR, END = b"JDHBXE"
"""Kinds: parent sends JOB (JSON) and DATA; child answers HEADER, BLOCKs, END, or ERROR."""

NOTE = 64 * 1024
"""Bytes of JSON at most, a path in an error's message included."""

_PREFIX = struct.Struct("<BQ")

Problem = TypeVar("Problem", bound=InvalidInputError)


def send(
    connection: socket.socket, kind: int, body: bytes | memoryview, deadline: float | None = None
) -> None:
    """Send one frame before the deadline (``time.monotonic``; None means no deadline).

    Raises:
        TimeoutError: If the deadline passes.
        OSError: If the other side is gone.
    """
    connection.settimeout(_left(deadline))
    connection.sendall(_PREFIX.pack(kind, len(body)))
    connection.settimeout(_left(deadline))
    connection.sendall(body)


def receive(
    connection: socket.socket, most: Mapping[int, int], deadline: float | None = None
) -> tuple[int, bytearray]:
    """The next frame; nothing is allocated for one that was not to be expected.

    Args:
        connection: To the other side.
        most: Kinds that may come now, and how many bytes each may have.
        deadline: As ``send``.

    Raises:
        TimeoutError: If the deadline passes.
        EOFError: If the other side is gone.
        ValueError: If the frame is of another kind, or states that it is larger.
    """
    kind, size = _PREFIX.unpack(_exactly(connection, _PREFIX.size, deadline))
    if size > most.get(kind, -1):
        raise ValueError(f"a frame of kind {kind} and {size} bytes was not to be expected")
    return kind, _exactly(connection, size, deadline)


def facts(body: bytes | bytearray) -> dict[str, Any]:
    """The JSON object in a frame.

    Raises:
        ValueError: If there is none.
    """
    try:
        found = json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def problem(body: bytes | bytearray, kind: type[Problem]) -> Problem:
    """The error in a frame.

    Raises:
        ValueError: If there is none.
    """
    told = facts(body)
    message, reason, metadata = (told.get(key) for key in ("message", "reason", "metadata"))
    if not isinstance(message, str) or not isinstance(reason, str):
        raise ValueError("not an error")
    if not isinstance(metadata, dict):
        raise ValueError("not an error's metadata")
    return kind(message, reason=reason, metadata={k: str(v) for k, v in metadata.items()})


def _exactly(connection: socket.socket, size: int, deadline: float | None) -> bytearray:
    body = bytearray(size)
    view = memoryview(body)
    while view:
        connection.settimeout(_left(deadline))
        count = connection.recv_into(view)
        if count == 0:
            raise EOFError("the other side is gone")
        view = view[count:]
    return body


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
