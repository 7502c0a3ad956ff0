"""Where encoding runs: in a thread of the run, and for each further device in its own process."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Protocol

from indexer.child import start_child
from indexer.encode import Worked, encode
from indexer.steps import Step
from retrieval.core.errors import SegueError
from retrieval.encoders.protocol import AudioEncoder, MovableEncoder


class DeviceLostError(Exception):
    """A device can do nothing more in this run; the message says why."""


class Device(Protocol):
    """Does one step after the other, and reads the next one while it does."""

    name: str

    def submit(self, step: Step) -> Future[Worked]:
        """Take a step; call it again before the first is done, and no device ever waits.

        The result raises ``DeviceLostError`` if the device broke down.
        """
        ...

    def close(self) -> None:
        """End; what is at work is finished or lost."""
        ...


def devices(setting: str, encoders: Sequence[AudioEncoder]) -> list[Device]:
    """The devices of a run, the first being where the encoders are loaded already.

    Args:
        setting: As ``retrieval.settings.Settings.device``; empty for where they are loaded.
        encoders: All audio encoders of the run.

    Raises:
        PreconditionError: MODEL_MISSING if there is no such device here.
    """
    first = LocalDevice(encoders)
    if not setting or not any(isinstance(encoder, MovableEncoder) for encoder in encoders):
        return [first]
    # May import PyTorch, which only encoders with networks bring along.
    from retrieval.encoders.device import device_names

    return [first, *(ProcessDevice(name, encoders) for name in device_names(setting)[1:])]


class LocalDevice:
    """The device of the encoders as they are, in a thread of this process."""

    name = "of the run"

    def __init__(self, encoders: Sequence[AudioEncoder]) -> None:
        self._encoders = encoders
        self._load = ThreadPoolExecutor(1, "load")
        self._encode = ThreadPoolExecutor(1, "encode")

    def submit(self, step: Step) -> Future[Worked]:
        """See ``Device``."""
        work = self._load.submit(step.load)
        return self._encode.submit(lambda: encode(work.result(), self._encoders))

    def close(self) -> None:
        """See ``Device``."""
        self._load.shutdown(wait=False, cancel_futures=True)
        self._encode.shutdown(cancel_futures=True)


class ProcessDevice:
    """A device with a process of its own, which starts and loads with the first step."""

    def __init__(self, name: str, encoders: Sequence[AudioEncoder]) -> None:
        self.name = name
        self._encoders = encoders
        self._send = ThreadPoolExecutor(1, "send")
        self._receive = ThreadPoolExecutor(1, "receive")
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection[Any, Any] | None = None
        self._closed = False

    def submit(self, step: Step) -> Future[Worked]:
        """See ``Device``."""
        sent = self._send.submit(self._begin, step)
        return self._receive.submit(self._end, sent)

    def close(self) -> None:
        """See ``Device``; a step at work is lost."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
                self._process.wait()
        self._send.shutdown(cancel_futures=True)
        self._receive.shutdown(cancel_futures=True)
        if self._connection is not None:
            self._connection.close()

    def _begin(self, step: Step) -> Connection[Any, Any]:
        try:
            connection = self._connection or self._start()
            connection.send(step.load())
        except (OSError, EOFError) as error:
            raise self._lost() from error
        return connection

    def _end(self, sent: Future[Connection[Any, Any]]) -> Worked:
        connection = sent.result()
        try:
            worked: Worked = connection.recv()
        except (OSError, EOFError) as error:
            raise self._lost() from error
        return worked

    def _start(self) -> Connection[Any, Any]:
        moved = [e.on(self.name) if isinstance(e, MovableEncoder) else e for e in self._encoders]
        with self._lock:
            if self._closed:
                raise DeviceLostError("the run is over")
            self._process, ours = start_child("indexer.device_process", os.environ)
            self._connection = ours
        ours.send_bytes(pickle.dumps(moved))
        failure: SegueError | None = ours.recv()
        if failure is not None:
            raise DeviceLostError(failure.message)
        return ours

    def _lost(self) -> DeviceLostError:
        code: int | None = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(timeout=5.0)
        cause = "no answer" if code is None else f"exit status {code}"
        if code is not None and code < 0:
            cause = signal.strsignal(-code) or cause
        return DeviceLostError(f"its process broke down ({cause})")
