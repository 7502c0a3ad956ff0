"""Both ends of the pipe to a store process: frames, and the parent's view of one child.

A frame is a header (body length, request id, urgent) and a pickled body. Both ends are one program
on one private socket pair, so pickle meets nothing but our own objects.
"""

from __future__ import annotations

import contextlib
import copyreg
import io
import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from retrieval.core.errors import StoreError
from retrieval.core.tracks import SegmentRecord, Span, TrackRecord
from retrieval.store.protocol import Match

HEADER = struct.Struct("<QQ?")
_CHUNK = 1 << 18


# Frozen dataclasses with slots pickle field by field through Python; these come in numbers.
_REDUCERS: dict[type[Any], Callable[[Any], Any]] = {
    **copyreg.dispatch_table,
    Span: lambda s: (Span, (s.start, s.end)),
    Match: lambda m: (Match, (m.track_id, m.score, m.span, m.distance, m.payload)),
    SegmentRecord: lambda s: (SegmentRecord, (s.span, s.vectors)),
    TrackRecord: lambda t: (TrackRecord, (t.id, t.payload, t.vectors, t.segments)),
}


def dumps(value: object) -> bytes:
    """A message as bytes, for ``pickle.loads`` at the other end."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCERS
    pickler.dump(value)
    return buffer.getvalue()


class Frame(NamedTuple):
    """One message of the pipe.

    Attributes:
        request: Id that a reply repeats.
        urgent: A question, to be answered before any waiting write.
        body: Pickled (method, args, kwargs), or (ok, value, traceback) of a reply.
    """

    request: int
    urgent: bool
    body: bytes


class LinkClosedError(Exception):
    """The process at the other end is gone, or was told to go."""


class FrameReader:
    """Cuts a byte stream into frames."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()

    def receive(self) -> list[Frame] | None:
        """Wait for bytes, and return the frames they complete; None at the end of the stream."""
        try:
            data = self._sock.recv(_CHUNK)
        except OSError:
            return None
        if not data:
            return None
        if not self._buffer:  # the usual case, a few whole frames, needs one copy less
            frames, rest = _cut(data)
            self._buffer += data[rest:]
            return frames
        self._buffer += data
        if len(self._buffer) < self._needed():
            return []
        frames, rest = _cut(bytes(self._buffer))
        del self._buffer[:rest]
        return frames

    def _needed(self) -> int:
        if len(self._buffer) < HEADER.size:
            return HEADER.size
        length: int = HEADER.unpack_from(self._buffer)[0]
        return HEADER.size + length


def _cut(data: bytes) -> tuple[list[Frame], int]:
    frames: list[Frame] = []
    at = 0
    while len(data) - at >= HEADER.size:
        length, request, urgent = HEADER.unpack_from(data, at)
        end = at + HEADER.size + length
        if end > len(data):
            break
        frames.append(Frame(request, urgent, data[at + HEADER.size : end]))
        at = end
    return frames, at


def pack(request: int, body: bytes, *, urgent: bool = False) -> bytes:
    """One frame, ready to send."""
    return HEADER.pack(len(body), request, urgent) + body


class _Pending:
    """A caller that waits for one reply. A bare lock wakes faster than a Future's condition."""

    __slots__ = ("body", "ready")

    def __init__(self) -> None:
        self.ready = threading.Lock()
        self.ready.acquire()
        self.body: bytes | None = None


class OwnerLink:
    """One child process that holds a store, and the calls under way to it. Thread-safe.

    The child is a fresh interpreter in its own session: never a fork (a fork after the engine is
    loaded hangs), never a second run of the caller's main script, and out of reach of the
    terminal's Ctrl-C, which only the parent may act upon.

    Args:
        keep: Descriptors the child holds on to for as long as it lives.
        on_death: Called once, from the reader's thread, if the process ends unasked.

    Raises:
        StoreError: STORE_UNAVAILABLE if the process cannot be started.
    """

    def __init__(
        self,
        *,
        keep: Sequence[int] = (),
        on_death: Callable[[OwnerLink], None] | None = None,
    ) -> None:
        ours, theirs = socket.socketpair()
        command = [
            sys.executable,
            "-P",
            "-m",
            "retrieval.store.owner_process",
            str(theirs.fileno()),
        ]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *keep),
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": _import_path()},
            )
        except OSError as error:
            ours.close()
            raise StoreError(f"cannot start the store's process: {error}") from error
        finally:
            theirs.close()
        self._sock = ours
        self._on_death = on_death
        self._lock = threading.Lock()
        self._pending: dict[int, _Pending] = {}
        self._next = 1
        self._closed = False
        self._asked_to_end = False
        self._reader = threading.Thread(target=self._read, name="segue-store-reader", daemon=True)
        self._reader.start()
        try:
            self.ask("hello")
        except LinkClosedError:
            status = self.end()
            raise StoreError(f"the store's process ended with status {status} at start") from None

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """False once the child's end of the pipe is closed."""
        return not self._closed

    def ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method that only reads, before any waiting write; see ``call``."""
        return self._exchange(True, method, args, kwargs)

    def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method in the child, after the calls before it, and wait for its result.

        Raises:
            LinkClosedError: If the child is gone, or goes before it answers.
            SegueError: Whatever the method raised.
        """
        return self._exchange(False, method, args, kwargs)

    def _exchange(
        self, urgent: bool, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        body = dumps((method, args, kwargs))
        pending = _Pending()
        with self._lock:
            if self._closed:
                raise LinkClosedError
            request = self._next
            self._next += 1
            self._pending[request] = pending
            try:
                self._sock.sendall(pack(request, body, urgent=urgent))
            except OSError:
                self._pending.pop(request, None)
                raise LinkClosedError from None
        pending.ready.acquire()
        if pending.body is None:
            raise LinkClosedError
        ok, value, trace = pickle.loads(pending.body)  # noqa: S301 - from our own child
        if ok:
            return value
        if trace:
            value.add_note(trace)
        raise value

    def end(self, *, grace: float = 30.0) -> int:
        """Ask the child to flush, close and exit; kill it if it does not. Idempotent.

        Args:
            grace: Seconds to wait before killing; an acknowledged write survives that too.

        Returns:
            The exit status of the process.
        """
        self._asked_to_end = True
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)  # the child reads what is queued, then the end
        try:
            status = self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if threading.current_thread() is not self._reader:
            self._reader.join()
        self._sock.close()
        return status

    def kill(self) -> None:
        """End the child at once and for good, without closing its store."""
        self._asked_to_end = True
        self._process.kill()
        self.end()

    def _read(self) -> None:
        reader = FrameReader(self._sock)
        while (frames := reader.receive()) is not None:
            for reply in frames:
                pending = self._pending.pop(reply.request)
                pending.body = reply.body
                pending.ready.release()
        with self._lock:
            self._closed = True
            orphans = list(self._pending.values())
            self._pending.clear()
        for pending in orphans:
            pending.ready.release()
        if not self._asked_to_end and self._on_death is not None:
            self._on_death(self)


def _import_path() -> str:
    # The child must find the same packages as this process, wherever it was started.
    return os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path if entry)
