"""What a decoder child runs: ``python -m retrieval.audio.child SOCKET_FD MEMORY_BYTES``."""

from __future__ import annotations

import contextlib
import json
import math
import resource
import socket
import sys

from retrieval.audio import wire
from retrieval.audio.limits import Limits
from retrieval.audio.reader import open_audio
from retrieval.core.errors import AudioError


def main(arguments: list[str]) -> None:
    """Serve jobs until the parent is gone."""
    descriptor, memory = (int(argument) for argument in arguments)
    connection = socket.socket(fileno=descriptor)
    # Before any limit applies: the libraries themselves.
    import retrieval.audio.ffmpeg
    import retrieval.audio.libsndfile  # noqa: F401 - loaded for its effect

    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, 32)
    with contextlib.suppress(OSError, EOFError):
        while True:
            _serve(connection)


def _serve(connection: socket.socket) -> None:
    _, job = wire.receive(connection)
    _, data = wire.receive(connection)
    task = json.loads(job)
    # The parent watches the clock; this ends a child whose parent is gone.
    used = resource.getrusage(resource.RUSAGE_SELF)
    budget = math.ceil(used.ru_utime + used.ru_stime + task["cpu"]) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (budget, hard))
    name = str(task["name"])
    try:
        _decode(connection, bytes(data), Limits(**task["limits"]), name, int(task["samples"]))
    except AudioError as error:
        answer = {"message": error.message, "reason": error.reason, "metadata": error.metadata}
        wire.send(connection, wire.ERROR, json.dumps(answer).encode())
    except MemoryError:
        message = f"{name}: decoding this file needs more memory than allowed"
        answer = {"message": message, "reason": "AUDIO_TOO_LARGE", "metadata": {}}
        wire.send(connection, wire.ERROR, json.dumps(answer).encode())


def _decode(
    connection: socket.socket, data: bytes, limits: Limits, name: str, samples: int
) -> None:
    held = 0
    with open_audio(data, limits, name=name) as reader:
        header = {
            "sample_rate": reader.sample_rate,
            "channels": reader.channels,
            "format": reader.format,
        }
        wire.send(connection, wire.HEADER, json.dumps(header).encode())
        for block in reader.blocks():
            held += block.size
            if held > samples:
                raise AudioError(
                    f"{name}: the sound is too large to hold in memory "
                    f"(more than {samples} samples over {reader.channels} channels)",
                    reason="AUDIO_TOO_LARGE",
                    metadata={"limit": "max_samples"},
                )
            wire.send(connection, wire.BLOCK, block.tobytes())
        wire.send(connection, wire.END, json.dumps(reader.truncated).encode())


def _limit(kind: int, value: int) -> None:
    # Where the system knows no such limit (address space on macOS), the others must do.
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    main(sys.argv[1:])
