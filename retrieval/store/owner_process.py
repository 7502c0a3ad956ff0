"""The store's own process: ``python -m retrieval.store.owner_process FD``.

The embedded engine never releases the interpreter's lock, so one thread does everything: it takes
requests from the pipe, answers questions first, and does writes, which arrive in small slices, in
between. While questions keep coming, writes get a third of the time, so that most questions meet
none; and however many there are, a slice goes through every ``WRITE_TURN`` seconds.

The process ends when the other end of the pipe closes, and only then: Ctrl-C and SIGTERM, which
service managers send to every process of a service, are for the parent to act upon.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import select
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from retrieval.core.errors import InternalError, PreconditionError, SegueError
from retrieval.store.owner_copy import copy_tree, sync_tree
from retrieval.store.owner_link import Frame, FrameReader, dumps, pack
from retrieval.store.owner_log import WriteLog, read_log
from retrieval.store.protocol import Interruptible, Store

WRITES = frozenset({"declare", "set_statistics", "write", "update", "delete"})
WRITE_TURN = 0.02
"""Seconds that a waiting write slice lets questions go first."""
ACTIVE = 0.05
"""Seconds after a question for which another is expected."""
REST = 2.0
"""Pause after a write slice while questions are expected, in durations of that slice."""


class _Owner:
    """The loop of the process, and what it does besides the store's own methods."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._frames = FrameReader(sock)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._urgent: deque[Frame] = deque()
        self._patient: deque[Frame] = deque()
        self._waiting_since = 0.0
        self._asked_at = 0.0
        self._rest_until = 0.0
        self._step_began = 0.0
        self._connected = True
        self._store: Store | None = None
        self._log: WriteLog | None = None
        self._commands: dict[str, Callable[..., Any]] = {
            "hello": os.getpid,
            "open": self._open,
            "background": _background,
            "copy": copy_tree,
            "rebuild": _rebuild,
            "log_begin": self._log_begin,
            "log_size": self._log_size,
            "log_end": self._log_end,
            "replay": self._replay,
        }

    def serve(self) -> None:
        """Work until the pipe closes; what was queued by then is still done."""
        while self._connected or self._urgent or self._patient:
            if self._connected:
                self._receive(None if not self._patient else self._delay())
            if self._patient and (not self._connected or self._delay() <= 0.0):
                self._step_began = time.monotonic()
                self._answer(self._patient.popleft())
                self._waiting_since = time.monotonic()
                self._rest_until = self._rest(self._waiting_since)
            elif self._urgent:
                self._answer_question()
        if self._store is not None:
            self._store.close()

    def _between(self) -> None:
        """Answer questions in the middle of a long write, as between two short ones."""
        until = self._rest(time.monotonic())
        while self._connected:
            now = time.monotonic()
            expected = now - self._asked_at <= ACTIVE
            self._receive(until - now if expected else 0.0)
            if self._urgent:
                self._answer_question()
            if not self._urgent and (not expected or time.monotonic() >= until):
                break
            if time.monotonic() - until > WRITE_TURN:
                break
        self._step_began = time.monotonic()

    def _rest(self, now: float) -> float:
        return now + REST * (now - self._step_began)

    def _answer_question(self) -> None:
        self._answer(self._urgent.popleft())
        self._asked_at = time.monotonic()

    def _delay(self) -> float:
        """Seconds for which the next write should wait for questions."""
        now = time.monotonic()
        turn = self._waiting_since + WRITE_TURN - now
        if self._urgent:
            return turn
        if now - self._asked_at > ACTIVE:
            return 0.0
        return min(turn, self._rest_until - now)

    def _receive(self, patience: float | None) -> None:
        """Take what arrived; if there is no question, wait for something (None: for good)."""
        timeout = None if patience is None else max(0.0, patience * 1e3)
        if self._urgent:
            timeout = 0.0
        while self._poll.poll(timeout):
            frames = self._frames.receive()
            if frames is None:
                self._connected = False
                return
            for item in frames:
                if item.urgent:
                    self._urgent.append(item)
                    continue
                if not self._patient:
                    self._waiting_since = time.monotonic()
                self._patient.append(item)
            timeout = 0.0

    def _answer(self, item: Frame) -> None:
        try:
            method, args, kwargs = pickle.loads(item.body)  # noqa: S301 - from our own parent
            reply = (True, self._perform(method, args, kwargs, item.body), "")
        except SegueError as error:
            reply = (False, error, "")
        except Exception as error:  # a defect: the parent logs it, this process goes on
            fault = InternalError(f"the store failed in {method}: {type(error).__name__}: {error}")
            reply = (False, fault, traceback.format_exc())
        body = dumps(reply)
        with contextlib.suppress(OSError):  # the parent died; the loop notices next
            self._sock.sendall(pack(item.request, body))

    def _perform(
        self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], body: bytes
    ) -> Any:
        command = self._commands.get(method)
        if command is not None:
            return command(*args, **kwargs)
        call = getattr(self._opened, method)
        if method not in WRITES or self._log is None:
            return call(*args, **kwargs)
        done = False
        try:
            value = call(*args, **kwargs)
            done = True
        finally:
            self._log.append(body, done=done)
        return value

    @property
    def _opened(self) -> Store:
        if self._store is None:
            raise InternalError("the store's process was asked before it opened a store")
        return self._store

    def _open(self, factory: str, path: Path) -> None:
        self._store = _make(factory, path)
        if isinstance(self._store, Interruptible):
            self._store.let_in(self._between)
        gc.collect()
        gc.freeze()

    def _log_begin(self, path: Path) -> None:
        self._log = WriteLog(path)

    def _log_size(self) -> int:
        if self._log is None:
            raise PreconditionError("no log of writes is being kept", reason="INTERNAL")
        return self._log.flush()

    def _log_end(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def _replay(self, path: Path, start: int, end: int) -> None:
        for body, done in read_log(path, start, end):
            method, args, kwargs = pickle.loads(body)  # noqa: S301 - written by our own sibling
            # What failed there may have been done in part: do as much here, and let it fail.
            with contextlib.nullcontext() if done else contextlib.suppress(SegueError):
                getattr(self._opened, method)(*args, **kwargs)


def _make(factory: str, path: Path) -> Store:
    module, _, name = factory.partition(":")
    return cast(Store, getattr(importlib.import_module(module), name)(path))


def _background(parent: int) -> None:
    """Yield to the process that answers questions, and die with the parent."""
    os.nice(19)
    if sys.platform != "linux":
        return
    import ctypes

    # The engine holds the interpreter for the whole of an optimisation, so only the kernel can end
    # this process when the parent is killed meanwhile.
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL))  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)
    cores = sorted(os.sched_getaffinity(0))
    # The engine takes as many threads as it sees cores, and they contend for memory too.
    os.sched_setaffinity(0, cores[len(cores) // 2 :])


def _rebuild(factory: str, path: Path) -> None:
    """Optimise the store in this folder and make all of it durable."""
    store = _make(factory, path)
    try:
        store.optimize()
    finally:
        store.close()
    sync_tree(path)


def main() -> None:
    """Serve the socket whose descriptor is the first argument."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    _Owner(socket.socket(fileno=int(sys.argv[1]))).serve()


if __name__ == "__main__":
    main()
