"""What a video decoder child runs: ``python -m retrieval.video.child SOCKET_FD MEMORY_BYTES``."""

from __future__ import annotations

import json
import os
import socket
import sys
from contextlib import closing
from typing import Any

from retrieval.audio import wire
from retrieval.audio.confined import serve
from retrieval.video.frames import HEAD
from retrieval.video.limits import Sampling, VideoLimits
from retrieval.video.reader import BoundedClip


def main(arguments: list[str]) -> None:
    """Serve jobs until the parent is gone."""
    descriptor, memory = (int(argument) for argument in arguments)
    serve(socket.socket(fileno=descriptor), memory, _work, too_large="VIDEO_TOO_LARGE")


def _work(connection: socket.socket, job: dict[str, Any]) -> None:
    # The parent opened the file: nothing here can open another.
    _, (descriptor, *_), _, _ = socket.recv_fds(connection, 1, 1)
    limits, sampling = VideoLimits(**job["limits"]), Sampling(**job["sampling"])
    with (
        os.fdopen(descriptor, "rb") as stream,
        closing(BoundedClip(stream, limits, sampling, name=str(job["name"]))) as clip,
    ):
        header = {
            "width": clip.width,
            "height": clip.height,
            "codec": clip.codec,
            "promised": clip.promised,
        }
        wire.send(connection, wire.HEADER, json.dumps(header).encode())
        for frame in clip.frames():
            height, width, _ = frame.pixels.shape
            head = HEAD.pack(frame.time, width, height)
            wire.send(connection, wire.BLOCK, head + frame.pixels.tobytes())
        end = {"duration": clip.duration, "partial": clip.partial}
        wire.send(connection, wire.END, json.dumps(end).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
