"""Spaces that hold only some of a library's tracks, because they were added later, say.

Fused rankings reward a track for every space it stands high in. One that a space has never seen
must not lose by that, or a library whose new space is half filled would answer worse than before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

from retrieval.core.filters import TrackIds
from retrieval.core.spaces import Level
from retrieval.core.tracks import LibraryInfo
from retrieval.search.fuse import Ranking
from retrieval.store.protocol import Store, StoreQuery

SECONDS = 10.0
"""How long counts are believed, where nothing is known to have changed."""
SHARE = 0.05
"""Of the time, what counting may take while a library is written to."""
FEW = 0.02
"""Share of the tracks that a space may lack before it is worth asking which; some never get a
vector, for being too quiet, say."""
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class _Count:
    """Tracks with a vector and tracks in all, since when, and how long counting took."""

    having: int
    total: int
    when: float
    took: float


class Coverage:
    """How many tracks the dense spaces lack. Safe from several threads."""

    def __init__(self, store: Store) -> None:
        """Take the store to ask; nothing is counted until it is needed."""
        self._store = store
        self._lock = Lock()
        self._counts: dict[str, _Count] = {}
        self._changed = 0.0

    def changed(self) -> None:
        """Count again soon: tracks were written or deleted."""
        self._changed = time.monotonic()

    def of(self, space: str) -> tuple[int, int]:
        """How many tracks have a vector in the space, and how many tracks there are."""
        with self._lock:
            known = self._counts.get(space)
            if known is None or not self._fresh(known):
                started = time.monotonic()
                having, total = self._store.count_vectors(space), self._store.count()
                known = _Count(having, total, started, time.monotonic() - started)
                self._counts[space] = known
        return known.having, known.total

    def _fresh(self, known: _Count) -> bool:
        patience = SECONDS if self._changed < known.when else known.took / SHARE
        return time.monotonic() - known.when <= patience


def mark_strangers(
    rankings: Sequence[Ranking], store: Store, info: LibraryInfo, coverage: Coverage, wanted: int
) -> list[Ranking]:
    """Tell for every ranking which tracks of the others are not in its space.

    Costs a round trip only where a space lacks more than a few tracks and has more than the ranking
    shows.

    Args:
        rankings: Of one request.
        store: Where the tracks are.
        info: What the library is made of.
        coverage: Which spaces lack tracks.
        wanted: How many tracks each ranking was asked for.
    """
    if len(rankings) < 2:
        return list(rankings)
    everybody = {match.track_id for ranking in rankings for match in ranking.matches}
    marked = list(rankings)
    open_: list[tuple[int, StoreQuery]] = []
    for place, ranking in enumerate(rankings):
        space = info.spaces[ranking.lane.probe.space]
        if space.sparse or Level.TRACK not in space.levels:
            continue
        among, total = coverage.of(space.name)
        whole = len(ranking.matches) < wanted
        if among == total or not (whole or total - among > FEW * total):
            continue
        others = everybody.difference(match.track_id for match in ranking.matches)
        marked[place] = replace(
            ranking,
            strangers=frozenset(others),
            among=len(ranking.matches) if whole else among,
        )
        if not whole:
            asked = sorted(others)
            open_ += [
                (place, _known_among(ranking, asked[start : start + _AT_ONCE]))
                for start in range(0, len(asked), _AT_ONCE)
            ]
    answers = store.search([query for _, query in open_]) if open_ else ()
    for (place, _), answer in zip(open_, answers, strict=True):
        known = {match.track_id for match in answer}
        marked[place] = replace(marked[place], strangers=marked[place].strangers - known)
    return marked


def _known_among(ranking: Ranking, ids: Sequence[str]) -> StoreQuery:
    # Whoever gets a score has a vector.
    return StoreQuery(ranking.lane.probe, filter=TrackIds(tuple(ids)), limit=len(ids), exact=True)
