"""Decoding of hostile clips in killable child processes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from retrieval.audio import wire
from retrieval.audio.children import MIB, Child, Children, LostError
from retrieval.core.closing import Closing
from retrieval.core.errors import VideoError
from retrieval.video.bounds import Bounds, Header
from retrieval.video.frames import Frame
from retrieval.video.limits import Sampling, VideoLimits

_DEFAULT = VideoLimits()


class Clip:
    """A clip that a child decodes while its frames are read.

    Attributes:
        name: What errors call it.
        width: Pixels, as coded; frames come scaled and upright.
        height: Pixels, as coded.
        codec: FFmpeg's name of the codec.
        promised: Seconds that the header promises, or None; what a progress bar counts to.
        duration: Seconds from the first frame to the end of the last; known once ``frames`` ends.
        partial: Whether parts were missing or damaged; known once ``frames`` ends.
    """

    def __init__(
        self, child: Child, header: Header, bounds: Bounds, patience: float, name: str
    ) -> None:
        self._child = child
        self._bounds = bounds
        self._patience = patience
        self.name = name
        self.width, self.height = header.width, header.height
        self.codec, self.promised = header.codec, header.promised
        self.duration = 0.0
        self.partial = False

    def frames(self) -> Iterator[Frame]:
        """Frames in the order of their times, the first at 0; once.

        Raises:
            VideoError: As ``BoundedClip.frames`` does; VIDEO_DECODE_TIMEOUT if decoding takes too
                long, the reader's own time not counted; VIDEO_UNREADABLE if the decoder crashes,
                or sends what it may not.
        """
        answer = self._receive()
        while isinstance(answer, Frame):
            yield answer
            answer = self._receive()
        self._child.sound = True
        self.duration, self.partial = answer

    def _receive(self) -> Frame | tuple[float, bool]:
        started = time.monotonic()
        try:
            kind, body = _answer(self._child, self._bounds.sizes(), started + self._patience)
            return self._bounds.frame(body) if kind == wire.BLOCK else self._bounds.end(body)
        except TimeoutError:
            raise VideoError(
                f"{self.name}: decoding takes too long", reason="VIDEO_DECODE_TIMEOUT"
            ) from None
        except LostError as error:
            raise VideoError(f"{self.name}: the decoder broke down on this file") from error
        finally:
            self._patience -= time.monotonic() - started


class ClipDecoder(Closing):
    """Decodes clips in child processes that can do no harm and are killed when they stall.

    As ``retrieval.audio.IsolatedDecoder``, which says what a child may do; a child gets the open
    file rather than its bytes, so that clips of any size take no memory. A context manager.
    """

    def __init__(
        self,
        *,
        children: int = 1,
        timeout: float = 600.0,
        memory: int = 2048 * MIB,
    ) -> None:
        """Children start with the first clip.

        Args:
            children: Clips decoded at the same time.
            timeout: Wall time and processor time that decoding one clip may take, in seconds.
            memory: Address space of one child, in bytes.
        """
        self._timeout = timeout
        self._children = Children(
            "retrieval.video.child",
            most=children,
            memory=memory,
            patience=timeout,
            what="video decoder",
        )

    @contextlib.contextmanager
    def open(
        self,
        source: Path | bytes,
        sampling: Sampling,
        limits: VideoLimits = _DEFAULT,
        *,
        name: str | None = None,
    ) -> Iterator[Clip]:
        """Open a clip and check its header; whoever leaves early ends its child.

        Args:
            source: A path, or a whole file.
            sampling: The frames that are wanted.
            limits: What to accept.
            name: What errors call it; the path by default, ``video`` for bytes.

        Raises:
            VideoError: As ``BoundedClip`` does, and as ``Clip.frames``.
            BusyError: QUEUE_FULL if no child gets free in time.
        """
        name = name or (str(source) if isinstance(source, Path) else "video")
        with _opened(source, name) as stream, self._children.turn():
            job = {
                "name": name,
                "limits": asdict(limits),
                "sampling": asdict(sampling),
                "cpu": self._timeout,
            }
            # The child may have died before it ever saw the file: that is no fault of the file.
            for last in (False, True):
                bounds = Bounds(limits, sampling)
                with self._children.lend() as child:
                    try:
                        header = self._start(child, job, stream, bounds)
                    except LostError as error:
                        if last:
                            message = f"{name}: the decoder broke down on this file"
                            raise VideoError(message) from error
                        continue
                    yield Clip(child, header, bounds, self._timeout, name)
                    return

    def close(self) -> None:
        """Kill and reap every child, also those at work; idempotent."""
        self._children.close()

    def _start(self, child: Child, job: dict[str, Any], stream: BinaryIO, bounds: Bounds) -> Header:
        deadline = time.monotonic() + self._timeout
        child.sound = False
        stream.seek(0)
        try:
            wire.send(child.socket, wire.JOB, json.dumps(job).encode(), deadline)
            socket.send_fds(child.socket, [b"F"], [stream.fileno()])
            _, body = _answer(child, {wire.HEADER: wire.NOTE, wire.ERROR: wire.NOTE}, deadline)
            return bounds.header(body)
        except TimeoutError:
            raise VideoError(
                f"{job['name']}: opening takes too long", reason="VIDEO_DECODE_TIMEOUT"
            ) from None
        except OSError as error:
            raise LostError from error


def _answer(child: Child, most: Mapping[int, int], deadline: float) -> tuple[int, bytearray]:
    """The next frame from a child, its errors raised."""
    try:
        kind, body = wire.receive(child.socket, most, deadline)
        if kind != wire.ERROR:
            return kind, body
        problem = wire.problem(body, VideoError)
    except TimeoutError:
        raise
    except (OSError, EOFError, ValueError) as error:
        raise LostError from error
    child.sound = True
    raise problem


@contextlib.contextmanager
def _opened(source: Path | bytes, name: str) -> Iterator[BinaryIO]:
    if isinstance(source, bytes):
        with tempfile.TemporaryFile() as stream:
            stream.write(source)
            stream.flush()
            yield stream
        return
    try:
        # Opening a pipe would wait for whoever writes to it.
        descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise VideoError(f"{name}: {error.strerror or error}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise VideoError(f"{name}: not a file")
    with os.fdopen(descriptor, "rb") as stream:
        yield stream
