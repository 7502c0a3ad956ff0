"""Optimise a library to the side while its owner goes on answering and writing.

1. A process of low priority copies the generation that counts; writes wait for the copy, not for
   the rest. No flush is needed first: what the copy finds is what a killed process would have left,
   from which the engine recovers.
2. That process opens the copy, optimises it and makes it durable. The owner logs what it writes.
3. A fresh owner opens the result and replays the log; when it has all but caught up, writes wait
   for the last of it, and the result becomes the generation that counts.

Nothing that was acknowledged is ever only in the log, so a kill at any instant loses nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from retrieval.core.errors import StoreError
from retrieval.store.generations import LibraryFolder
from retrieval.store.owner_link import LinkClosedError, OwnerLink

_ROUNDS = 8
_CAUGHT_UP = 1 << 18
"""Bytes of log that writes may wait for."""


class FairLock:
    """A lock that goes to whoever waits longest, so that a busy writer starves nobody."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            turn.acquire()
        except BaseException:  # Ctrl-C while waiting: step out of the line, or hand the lock on
            with self._guard:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                else:
                    self._pass_on()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._guard:
            self._pass_on()

    def _pass_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().release()  # the lock stays held, by the next in line
        else:
            self._held = False


class Rebuild:
    """One optimisation to the side.

    Args:
        folder: The library's folder, which the caller has locked.
        owner: The owner of the generation that counts.
        factory: ``module:Class`` of the store.
        write_turn: Held by whoever writes to the owner; held here while nothing may be written.
        on_death: For the new owner; see ``OwnerLink``.
    """

    def __init__(
        self,
        folder: LibraryFolder,
        owner: OwnerLink,
        factory: str,
        write_turn: FairLock,
        on_death: Callable[[OwnerLink], None],
    ) -> None:
        self._folder = folder
        self._owner = owner
        self._factory = factory
        self._write_turn = write_turn
        self._on_death = on_death
        self._source = folder.current
        self._target = folder.new()
        self._log = folder.log_of(self._target)
        self._guard = threading.Lock()
        self._children: list[OwnerLink] = []
        self._cancelled = False

    def run(self, adopt: Callable[[OwnerLink, OwnerLink, Path], bool]) -> None:
        """Build the optimised generation and hand it over.

        Args:
            adopt: Called with the old owner, the new one and its generation while nothing is
                written; makes them the ones that count, or returns False to refuse.

        Raises:
            StoreError: If it was refused, cancelled, or could not be done.
            LinkClosedError: If one of the processes died.
        """
        adopted = False
        try:
            self._build()
            fresh = self._open()
            replayed = self._catch_up(fresh)
            with self._write_turn:
                self._replay(fresh, replayed)
                fresh.call("flush")
                adopted = adopt(self._owner, fresh, self._target)
            if not adopted:
                raise StoreError(
                    "the optimised library was discarded, as the store ended or was closed "
                    "meanwhile; it goes on as it was"
                )
        finally:
            self._clean(adopted)

    def cancel(self) -> None:
        """End the work as soon as possible; ``run`` raises in its thread."""
        with self._guard:
            self._cancelled = True
            for child in self._children:
                child.kill()

    def _admit(self, child: OwnerLink) -> OwnerLink:
        with self._guard:
            self._children.append(child)
            if self._cancelled:
                raise StoreError("the store was closed while it was being optimised")
        return child

    def _build(self) -> None:
        builder = self._admit(OwnerLink())
        builder.call("background", os.getpid())
        with self._write_turn:
            self._owner.call("log_begin", self._log)
            builder.call("copy", self._source, self._target)
        builder.call("rebuild", self._factory, self._target)
        builder.end()

    def _open(self) -> OwnerLink:
        fresh = self._admit(OwnerLink(keep=(self._folder.lock_fd,), on_death=self._on_death))
        fresh.call("open", self._factory, self._target)
        return fresh

    def _catch_up(self, fresh: OwnerLink) -> int:
        replayed = 0
        for _ in range(_ROUNDS):
            behind = replayed
            replayed = self._replay(fresh, replayed)
            if replayed - behind < _CAUGHT_UP:
                break
        return replayed

    def _replay(self, fresh: OwnerLink, start: int) -> int:
        end = int(self._owner.call("log_size"))
        fresh.call("replay", self._log, start, end)
        return end

    def _clean(self, adopted: bool) -> None:
        with self._guard:
            children = list(self._children)
        if adopted:
            for child in children[:-1]:
                child.end()
            self._owner.end()
            self._folder.discard(self._source)
            self._log.unlink(missing_ok=True)
            return
        for child in children:
            child.kill()
        with contextlib.suppress(LinkClosedError):
            self._owner.call("log_end")
        self._folder.discard(self._target)
