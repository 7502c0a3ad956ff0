"""A decoder child that was taken over: ``python -m tests.audio.liar SOCKET_FD MEMORY_BYTES``.

It answers a job with the lie that the job's name names, and then waits as if more were to come.
It imports nothing of Segue, so that it starts at once.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys

GIB = 1 << 30
PREFIX = struct.Struct("<BQ")
HEAD = struct.Struct("<dII")

HEADER = json.dumps({"sample_rate": 8000, "channels": 1, "format": "wav"}).encode()
PICTURE = json.dumps({"width": 64, "height": 36, "codec": "h264", "promised": 1.0}).encode()


def frame(kind: str, body: bytes = b"", *, states: int | None = None) -> bytes:
    """One frame, which may state any size."""
    return PREFIX.pack(ord(kind), len(body) if states is None else states) + body


def picture(moment: float, *, width: int = 8, height: int = 8, sent: int = 64) -> bytes:
    """A frame of a clip, which may state any shape."""
    return frame("B", HEAD.pack(moment, width, height) + bytes(3 * sent))


def header(rate: object, channels: object) -> bytes:
    """A header of sound."""
    told = {"sample_rate": rate, "channels": channels, "format": "wav"}
    return frame("H", json.dumps(told).encode())


SOUND = {
    "first a header of 60 GiB": frame("H", states=60 * GIB),
    "first an error of 60 GiB": frame("X", states=60 * GIB),
    "a block of 60 GiB": frame("H", HEADER) + frame("B", states=60 * GIB),
    "a block of 1 MiB": frame("H", HEADER) + frame("B", states=1 << 20),
    "an end of 60 GiB": frame("H", HEADER) + frame("E", states=60 * GIB),
    "a block before a header": frame("B", bytes(400)) + frame("E", b"false"),
    "a frame of no kind": frame("?", b"[]"),
    "more sound than the limits": frame("H", HEADER) + 5 * frame("B", bytes(400_000)),
    "no sound": frame("H", HEADER) + frame("E", b"false"),
    "no end": frame("H", HEADER) + frame("B", bytes(400)) + frame("E", b"1e999"),
    "half a sample": frame("H", HEADER) + frame("B", bytes(401)) + frame("E", b"false"),
    "a deep header": frame("H", b"[" * 60_000),
    "an error that is none": frame("X", b'{"message": "?", "reason": "?", "metadata": [1]}'),
    "a terahertz": header(10**12, 1),
    "a million channels": header(8000, 10**6),
    "a rate in words": header("8000", 1),
}
PICTURES = {
    "first a header of 60 GiB": frame("H", states=60 * GIB),
    "a frame of 60 GiB": frame("H", PICTURE) + frame("B", states=60 * GIB),
    "a frame of 8K": frame("H", PICTURE) + frame("B", states=7680 * 4320 * 3),
    "an end of 60 GiB": frame("H", PICTURE) + frame("E", states=60 * GIB),
    "a frame of another shape": frame("H", PICTURE) + picture(0.0, width=1 << 31, height=1 << 31),
    "a frame of no size": frame("H", PICTURE) + picture(0.0, width=0, sent=0),
    "a part of a frame": frame("H", PICTURE) + frame("B", b"half"),
    "the same frame again": frame("H", PICTURE) + 2 * picture(0.0),
    "a frame at no time": frame("H", PICTURE) + picture(float("nan")),
    "a frame in a year": frame("H", PICTURE) + picture(3e7),
    "too many frames": frame("H", PICTURE) + b"".join(picture(i / 1e3) for i in range(400)),
    "a clip of a billion seconds": frame("H", PICTURE)
    + picture(0.0)
    + frame("E", b'{"duration": 1e9, "partial": false}'),
    "a clip without an end": frame("H", PICTURE) + picture(0.0) + frame("E", b"{}"),
    "a clip without frames": frame("H", PICTURE) + frame("E", b'{"duration": 1, "partial": false}'),
    "a size in words": frame("H", b'{"width": "1", "height": 1, "codec": "", "promised": null}'),
    "an immense size": frame("H", b'{"width": 99999, "height": 99999}'),
    "no length of time": frame("H", PICTURE.replace(b"1.0", b"NaN")),
    "an error in the middle": frame("H", PICTURE) + picture(0.0) + frame("X", b"]"),
}


def main(descriptor: int) -> None:
    """Lie once per job."""
    connection = socket.socket(fileno=descriptor)
    stream = connection.makefile("rb")
    kind, size = PREFIX.unpack(stream.read(PREFIX.size))
    name = json.loads(stream.read(size))["name"]
    if kind == ord("J"):
        connection.sendall((SOUND | PICTURES)[name])
    with contextlib.suppress(OSError):
        while stream.read(1 << 16):
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]))
