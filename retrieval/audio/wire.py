"""The frames that a decoder child and its parent exchange: kind, length, body."""

from __future__ import annotations

import socket
import struct
import time

JOB, DATA, HEADER, BLOCK, ERROR, END = b"JDHBXE"
"""Kinds: parent sends JOB (JSON) and DATA; child answers HEADER, BLOCKs, END, or ERROR."""

_PREFIX = struct.Struct("<BQ")
_MAX_BODY = 1 << 36


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


def receive(connection: socket.socket, deadline: float | None = None) -> tuple[int, bytearray]:
    """The next frame.

    Raises:
        TimeoutError: If the deadline passes.
        EOFError: If the other side is gone.
        ValueError: If the frame makes no sense.
    """
    kind, size = _PREFIX.unpack(_exactly(connection, _PREFIX.size, deadline))
    if size > _MAX_BODY:
        raise ValueError("frame too large")
    return kind, _exactly(connection, size, deadline)


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
