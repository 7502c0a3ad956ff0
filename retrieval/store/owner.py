"""The embedded store behind a process of its own, for services.

The engine never releases the interpreter's lock: in the service's process one `optimize()` would
stop every request for seconds. `OwnerStore` keeps the engine in one spawned process, which answers
questions before it writes, takes writes in small slices, and is optimised to the side
(`owner_rebuild`), so that neither a write nor an optimisation makes a query wait.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from retrieval.core.errors import PreconditionError, SegueError, StoreError
from retrieval.core.filters import Filter
from retrieval.core.payload import Field
from retrieval.core.queries import FacetCount
from retrieval.core.spaces import EmbeddingSpace, Level, Statistics
from retrieval.core.tracks import LibraryInfo, TrackRecord, TrackUpdate
from retrieval.store.admission import admit_records, admit_updates
from retrieval.store.generations import LibraryFolder
from retrieval.store.owner_link import LinkClosedError, OwnerLink
from retrieval.store.owner_rebuild import FairLock, Rebuild
from retrieval.store.protocol import Match, Store, StoreQuery

SLICE = 8
"""Points (tracks and segments) per write slice, about 1.5 ms: a question waits for one at most."""
EDGE = "retrieval.store.edge:EdgeStore"
_ENDED = (
    "the store's process ended and is being restarted (what it acknowledged is kept): try again"
)
_BACKOFF = 0.25
_STEADY = 30.0

T = TypeVar("T")
log = logging.getLogger(__name__)


class OwnerStore(Store):
    """A `Store` whose engine lives in a process of its own. Thread-safe.

    Should that process die, the calls under way raise StoreError (STORE_UNAVAILABLE) and it is
    started again, once, after a short pause; if it dies again within half a minute it stays down
    until the service is restarted. No acknowledged write is lost either way.

    Args:
        root: The library's folder; see ``generations``.
        factory: ``module:Class`` of the store that the process opens, called with its folder.

    Raises:
        StoreError: STORE_LOCKED if the library is open elsewhere, STORE_CORRUPT or
            STORE_UNAVAILABLE if it cannot be opened.
    """

    def __init__(self, root: Path, *, factory: str = EDGE) -> None:
        self._factory = factory
        self._folder = LibraryFolder(root)
        self._state = threading.RLock()  # guards _link, _fault and _closed
        self._write_turn = FairLock()  # held for one slice, and while the owner is exchanged
        self._optimising = threading.Lock()
        self._rebuild: Rebuild | None = None
        self._info: LibraryInfo | None = None
        self._fault = ""
        self._closed = False
        self._unoptimised = True
        self._started = 0.0
        self._link: OwnerLink | None = None
        try:
            self._link = self._start(self._folder.current)
        except BaseException:
            self._folder.close()
            raise
        with contextlib.suppress(PreconditionError):  # nothing declared yet
            self._info = self._ask("info")

    @property
    def pid(self) -> int | None:
        """Process id of the owner, or None while there is none."""
        link = self._link
        return link.pid if link is not None else None

    def info(self) -> LibraryInfo:
        """See ``Store.info``; kept in this process, which makes every change to it."""
        self._current()
        known = self._info
        if known is None:
            with self._write_turn:
                known = self._info = self._ask("info")
        return known

    def declare(
        self,
        spaces: Sequence[EmbeddingSpace],
        fields: Sequence[Field] = (),
        replacing: Collection[str] = (),
    ) -> LibraryInfo:
        """See ``Store.declare``."""
        with self._write_turn:
            return self._redefine("declare", tuple(spaces), tuple(fields), tuple(replacing))

    def set_statistics(self, space: str, statistics: Statistics) -> None:
        """See ``Store.set_statistics``."""
        with self._write_turn:
            self._redefine("set_statistics", space, statistics)

    def write(self, records: Sequence[TrackRecord]) -> None:
        """See ``Store.write``. Sent in slices of a few points, a track whole."""
        # Checked as a whole first: of a call that is refused, no slice may have been written.
        admitted = admit_records(self.info(), records)
        for part in _slices(admitted, [1 + len(r.segments) for r in admitted]):
            self._change("write", part)

    def update(self, updates: Sequence[TrackUpdate]) -> None:
        """See ``Store.update``."""
        admitted = admit_updates(self.info(), updates)
        for part in _slices(admitted, [2] * len(admitted)):
            self._change("update", part)

    def delete(self, track_ids: Sequence[str]) -> int:
        """See ``Store.delete``."""
        self.info()
        unique = tuple(dict.fromkeys(track_ids))
        return sum(self._change("delete", part) for part in _slices(unique, [2] * len(unique)))

    def retrieve(
        self,
        track_ids: Sequence[str],
        *,
        payload: tuple[str, ...] | None = None,
        vectors: bool = False,
        segments: bool = False,
    ) -> tuple[TrackRecord, ...]:
        """See ``Store.retrieve``."""
        found: tuple[TrackRecord, ...] = self._ask(
            "retrieve", tuple(track_ids), payload=payload, vectors=vectors, segments=segments
        )
        return found

    def scroll(
        self,
        filter: Filter | None = None,
        *,
        limit: int,
        after: str | None = None,
        vectors: bool = False,
        segments: bool = False,
    ) -> tuple[tuple[TrackRecord, ...], str | None]:
        """See ``Store.scroll``."""
        page: tuple[tuple[TrackRecord, ...], str | None] = self._ask(
            "scroll", filter, limit=limit, after=after, vectors=vectors, segments=segments
        )
        return page

    def count(self, filter: Filter | None = None, level: Level = Level.TRACK) -> int:
        """See ``Store.count``."""
        return int(self._ask("count", filter, level))

    def count_vectors(self, space: str) -> int:
        """See ``Store.count_vectors``."""
        return int(self._ask("count_vectors", space))

    def facets(
        self, field: str, filter: Filter | None = None, *, limit: int = 100
    ) -> tuple[FacetCount, ...]:
        """See ``Store.facets``."""
        counts: tuple[FacetCount, ...] = self._ask("facets", field, filter, limit=limit)
        return counts

    def search(self, queries: Sequence[StoreQuery]) -> tuple[tuple[Match, ...], ...]:
        """See ``Store.search``."""
        answers: tuple[tuple[Match, ...], ...] = self._ask("search", tuple(queries))
        return answers

    def optimize(self) -> None:
        """Optimise a copy to the side, then go over to it. Queries and writes go on meanwhile.

        Raises:
            StoreError: If the copy cannot be made or optimised; the library goes on as it was.
        """
        self.info()
        with self._optimising:
            with self._write_turn, self._state:
                if not self._unoptimised:
                    return
                link = self._current()
                self._rebuild = Rebuild(
                    self._folder, link, self._factory, self._write_turn, self._died
                )
                self._unoptimised = False
            try:
                self._rebuild.run(self._adopt)
            except BaseException as error:
                self._unoptimised = True
                if isinstance(error, LinkClosedError):
                    raise StoreError(
                        "the store's process ended while it was being optimised; the library "
                        "goes on as it was"
                    ) from error
                raise
            finally:
                self._rebuild = None

    def flush(self) -> None:
        """See ``Store.flush``. Queries wait for the disk meanwhile."""
        with self._write_turn:
            self._send("flush")

    def close(self) -> None:
        """Finish what is under way, stop an optimisation, end the owner; idempotent."""
        with self._state:
            if self._closed:
                return
            self._closed = True
            self._fault = "the store is closed"
            link, self._link = self._link, None
            rebuild = self._rebuild
        if rebuild is not None:
            rebuild.cancel()
        with self._optimising:
            if link is not None:
                link.end()
            self._folder.close()

    def _start(self, generation: Path) -> OwnerLink:
        link = OwnerLink(keep=(self._folder.lock_fd,), on_death=self._died)
        try:
            link.call("open", self._factory, generation)
        except LinkClosedError:
            status = link.end()
            raise StoreError(
                f"the store's process ended with status {status} while it opened {generation}"
            ) from None
        except BaseException:
            link.end()
            raise
        self._started = time.monotonic()
        return link

    def _current(self) -> OwnerLink:
        link = self._link
        if link is None or not link.alive:
            raise StoreError(self._fault or _ENDED)
        return link

    def _ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        while True:
            link = self._current()
            try:
                return link.ask(method, *args, **kwargs)
            except LinkClosedError:
                # The owner may just have been exchanged for the optimised one: ask that.
                if self._link is link or self._link is None:
                    raise self._gone() from None

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A call that changes something; the caller holds the turn to write."""
        self._unoptimised = True
        return self._send(method, *args, **kwargs)

    def _send(self, method: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._current().call(method, *args, **kwargs)
        except LinkClosedError:
            raise self._gone() from None

    def _redefine(self, method: str, *args: Any) -> LibraryInfo:
        """A call that changes what ``info`` answers; until it is done, the old answer stands."""
        try:
            self._call(method, *args)
            self._info = self._ask("info")
        except BaseException:
            self._info = None
            raise
        return self._info

    def _change(self, method: str, part: Sequence[object]) -> int:
        with self._write_turn:
            return self._call(method, part) or 0

    def _gone(self) -> StoreError:
        return StoreError(self._fault if self._closed else _ENDED)

    def _adopt(self, old: OwnerLink, new: OwnerLink, generation: Path) -> bool:
        """Make the optimised owner the owner, unless the old one is no longer it."""
        with self._state:
            if self._closed or self._link is not old or not old.alive or not new.alive:
                return False
            self._folder.switch(generation)
            self._link = new
            self._started = time.monotonic()
            return True

    def _died(self, link: OwnerLink) -> None:
        with self._state:
            if self._closed or self._link is not link:
                return
            self._link = None
            again = time.monotonic() - self._started > _STEADY or not self._fault
            self._fault = _ENDED
            if not again:
                self._fault = "the store's process keeps ending; restart the service"
            self._unoptimised = True
        log.error("the store's process ended unexpectedly; %s", self._fault)
        if again:
            threading.Thread(target=self._restart, name="segue-store-restart", daemon=True).start()

    def _restart(self) -> None:
        time.sleep(_BACKOFF)
        # Held throughout, so that no exchange can move the folder on to another generation.
        with self._state:
            if self._closed:
                return
            try:
                self._link = self._start(self._folder.current)
            except SegueError as error:
                self._fault = f"the store's process ended and cannot be restarted: {error.message}"
                log.exception("the store's process cannot be restarted")


def _slices(items: Sequence[T], points: Sequence[int]) -> Iterator[Sequence[T]]:
    start, size = 0, 0
    for at, count in enumerate(points):
        if size and size + count > SLICE:
            yield items[start:at]
            start, size = at, 0
        size += count
    if size:
        yield items[start:]
