"""Decoding of hostile bytes in killable child processes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from retrieval.audio import wire
from retrieval.audio.formats import FORMATS
from retrieval.audio.limits import Limits
from retrieval.audio.sound import Sound
from retrieval.core.errors import AudioError, BusyError, InternalError

MIB = 1024 * 1024
_DEFAULT = Limits()
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")


class IsolatedDecoder:
    """Decodes whole files in child processes that can do no harm and are killed when they stall.

    A child has bounds on memory and processor time, no secrets in its environment, and serves one
    file after the other; one that crashes or overruns is replaced for the next file. Safe to call
    from many threads: each child serves one at a time. A context manager; children also end with
    this process, however it ends.
    """

    def __init__(
        self,
        *,
        children: int = 2,
        timeout: float = 30.0,
        memory: int = 1536 * MIB,
        max_samples: int = 64 * MIB,
    ) -> None:
        """Children start with the first file, or with ``start``.

        Args:
            children: Files decoded at the same time.
            timeout: Wall time and processor time of one file, in seconds.
            memory: Address space of one child, in bytes.
            max_samples: Frames times channels that one sound may hold in memory.
        """
        self._timeout = timeout
        self._memory = memory
        self._max_samples = max_samples
        self._free = threading.Semaphore(children)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._closed = False

    def start(self) -> None:
        """Start one child ahead of the first file."""
        with self._lock:
            if not self._idle and not self._busy and not self._closed:
                self._idle.append(_Child(self._memory))

    def decode(self, data: bytes, limits: Limits = _DEFAULT, *, name: str = "audio") -> Sound:
        """Decode one whole file.

        Raises:
            AudioError: As ``open_audio`` and its ``blocks`` do; AUDIO_DECODE_TIMEOUT if the time
                runs out, AUDIO_TOO_LARGE if the sound or the decoder needs more memory than
                allowed, AUDIO_UNREADABLE if the decoder crashes.
            BusyError: QUEUE_FULL if no child gets free in time.
        """
        if not self._free.acquire(timeout=self._timeout):
            raise BusyError("every audio decoder is busy; try again in a moment")
        try:
            with contextlib.suppress(_LostError):
                return self._attempt(data, limits, name)
            # The child may have died before it ever saw the file: that is no fault of the file.
            return self._attempt(data, limits, name)
        except _LostError as error:
            raise AudioError(f"{name}: the decoder broke down on this file") from error
        finally:
            self._free.release()

    def close(self) -> None:
        """Kill and reap every child, also those at work; idempotent."""
        with self._lock:
            self._closed = True
            children = [*self._idle, *self._busy]
            self._idle.clear()
        for child in children:
            child.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _attempt(self, data: bytes, limits: Limits, name: str) -> Sound:
        child = self._take()
        try:
            return self._exchange(child, data, limits, name)
        finally:
            self._give(child)

    def _take(self) -> _Child:
        with self._lock:
            if self._closed:
                raise InternalError("the audio decoder is closed")
            while self._idle:
                child = self._idle.pop()
                if child.alive():
                    break
                child.kill()
            else:
                child = _Child(self._memory)
            self._busy.add(child)
            return child

    def _give(self, child: _Child) -> None:
        with self._lock:
            self._busy.discard(child)
            if child.sound and not self._closed and child.alive():
                self._idle.append(child)
                return
        child.kill()

    def _exchange(self, child: _Child, data: bytes, limits: Limits, name: str) -> Sound:
        deadline = time.monotonic() + self._timeout
        child.sound = False
        job = {
            "name": name,
            "limits": asdict(limits),
            "cpu": self._timeout,
            "samples": self._max_samples,
        }
        try:
            wire.send(child.socket, wire.JOB, json.dumps(job).encode(), deadline)
            wire.send(child.socket, wire.DATA, data, deadline)
            sound = self._receive(child, name, deadline)
        except TimeoutError:
            raise AudioError(
                f"{name}: decoding took more than {self._timeout:g} s",
                reason="AUDIO_DECODE_TIMEOUT",
            ) from None
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise _LostError from error
        except AudioError:
            child.sound = True
            raise
        child.sound = True
        return sound

    def _receive(self, child: _Child, name: str, deadline: float) -> Sound:
        header: dict[str, object] = {}
        samples = bytearray()
        while True:
            kind, body = wire.receive(child.socket, deadline)
            if kind == wire.HEADER:
                header = json.loads(body)
            elif kind == wire.BLOCK:
                samples += body
                if len(samples) > 4 * self._max_samples:
                    raise ValueError("the child sent more than it may")
            elif kind == wire.ERROR:
                error = json.loads(body)
                raise AudioError(
                    str(error["message"]),
                    reason=str(error["reason"]),
                    metadata={str(k): str(v) for k, v in error["metadata"].items()},
                )
            else:
                return _sound(header, samples, name, truncated=bool(json.loads(body)))


class _LostError(Exception):
    """A child died, or sent what makes no sense."""


def _sound(header: dict[str, object], samples: bytearray, name: str, *, truncated: bool) -> Sound:
    rate, channels, kind = header["sample_rate"], header["channels"], header["format"]
    if not isinstance(rate, int) or not isinstance(channels, int) or kind not in FORMATS:
        raise ValueError("the child sent no usable header")
    # No copy: the sound lives in the buffer that it was received into.
    frames = np.frombuffer(samples, dtype=np.float32).reshape(-1, channels)
    return Sound(frames, rate, str(kind), name, truncated)


class _Child:
    """One child process and its end of the socket.

    Attributes:
        socket: Connected to the child.
        sound: True while the child waits for a job, in step with its parent.
    """

    def __init__(self, memory: int) -> None:
        ours, theirs = socket.socketpair()
        environment = {k: os.environ[k] for k in _KEPT_ENVIRONMENT if k in os.environ}
        # NumPy's BLAS would reserve address space for threads that nothing here uses.
        environment |= {
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        with theirs:
            arguments = [str(theirs.fileno()), str(memory)]
            self.process = subprocess.Popen(  # noqa: S603 - our own module and two numbers
                [sys.executable, "-P", "-m", "retrieval.audio.child", *arguments],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        self.socket = ours
        self.sound = True
        # Also runs when this object is collected and when the interpreter exits.
        self._kill = weakref.finalize(self, _kill, self.process, ours)

    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        self._kill()


def _kill(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    process.kill()
    process.wait()
    with contextlib.suppress(OSError):
        connection.close()
