"""What a decoder child runs: ``python -m retrieval.audio.child SOCKET_FD MEMORY_BYTES``."""

from __future__ import annotations

import json
import socket
import sys
from typing import Any

import numpy as np

from retrieval.audio import wire
from retrieval.audio.confined import serve
from retrieval.audio.limits import BLOCK_SAMPLES, Limits
from retrieval.audio.reader import open_audio
from retrieval.core.errors import AudioError


def main(arguments: list[str]) -> None:
    """Serve jobs until the parent is gone."""
    descriptor, memory = (int(argument) for argument in arguments)
    # Before any limit applies: the libraries themselves.
    import retrieval.audio.ffmpeg
    import retrieval.audio.libsndfile  # noqa: F401 - loaded for its effect

    serve(socket.socket(fileno=descriptor), memory, _work, too_large="AUDIO_TOO_LARGE")


def _work(connection: socket.socket, job: dict[str, Any]) -> None:
    _, data = wire.receive(connection, {wire.DATA: sys.maxsize})
    limits, name = Limits(**job["limits"]), str(job["name"])
    _decode(connection, bytes(data), limits, name, int(job["samples"]))


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
            flat = np.ascontiguousarray(block).reshape(-1)
            for start in range(0, flat.size, BLOCK_SAMPLES):
                part = flat[start : start + BLOCK_SAMPLES]
                wire.send(connection, wire.BLOCK, part.tobytes())
        wire.send(connection, wire.END, json.dumps(reader.truncated).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
