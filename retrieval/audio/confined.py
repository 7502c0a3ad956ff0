"""What every decoder child does: limits on itself, then one job after the other."""

from __future__ import annotations

import contextlib
import json
import math
import resource
import socket
import sys
from collections.abc import Callable
from typing import Any

from retrieval.audio import wire
from retrieval.core.errors import InvalidInputError

Work = Callable[[socket.socket, dict[str, Any]], None]


def serve(connection: socket.socket, memory: int, work: Work, *, too_large: str) -> None:
    """Do jobs until the parent is gone. Import what decodes before: no limit applies to that.

    Args:
        connection: To the parent.
        memory: Most address space, in bytes.
        work: Does a job that has come; the rest of its input is still on the connection.
        too_large: Reason of the error when the memory does not suffice.
    """
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, 32)
    with contextlib.suppress(OSError, EOFError):
        while True:
            _serve(connection, work, too_large)


def _serve(connection: socket.socket, work: Work, too_large: str) -> None:
    # The parent is believed; what it sends has to fit into the memory that is left.
    _, body = wire.receive(connection, {wire.JOB: sys.maxsize})
    job = json.loads(body)
    # The parent watches the clock; this ends a child whose parent is gone.
    used = resource.getrusage(resource.RUSAGE_SELF)
    budget = math.ceil(used.ru_utime + used.ru_stime + job["cpu"]) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (budget, hard))
    try:
        work(connection, job)
    except InvalidInputError as error:
        answer = {"message": error.message, "reason": error.reason, "metadata": error.metadata}
        wire.send(connection, wire.ERROR, json.dumps(answer).encode())
    except MemoryError:
        message = f"{job['name']}: decoding this file needs more memory than allowed"
        answer = {"message": message, "reason": too_large, "metadata": {}}
        wire.send(connection, wire.ERROR, json.dumps(answer).encode())


def _limit(kind: int, value: int) -> None:
    # Where the system knows no such limit (address space on macOS), the others must do.
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))
