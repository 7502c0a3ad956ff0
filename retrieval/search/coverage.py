"""Spaces that hold only some of a library's tracks, because they were added later, say.

Fused rankings reward a track for every space it stands high in. One that a space has never seen
must not lose by that, or a library whose new space is half filled would answer worse than before.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

from retrieval.core.filters import TrackIds
from retrieval.core.spaces import Level
from retrieval.core.tracks import LibraryInfo
from retrieval.search.fuse import Ranking
from retrieval.store.protocol import Store, StoreQuery

SECONDS = 10.0
"""How long counts are believed; what this library itself writes is seen at once."""
FEW = 0.02
"""Share of the tracks that a space may lack before it is worth asking which; some never get a
vector, for being too quiet, say."""
_AT_ONCE = 1000


class Coverage:
    """How many tracks the dense spaces lack. Safe from several threads."""

    def __init__(self, store: Store) -> None:
        """Take the store to ask; nothing is counted until it is needed."""
        self._store = store
        self._lock = Lock()
        self._counted: dict[str, tuple[float, int, int]] = {}

    def changed(self) -> None:
        """Count again: tracks were written or deleted."""
        with self._lock:
            self._counted = {}

    def of(self, space: str) -> tuple[int, int]:
        """How many tracks have a vector in the space, and how many tracks there are."""
        with self._lock:
            known = self._counted.get(space)
            if known is None or time.monotonic() - known[0] > SECONDS:
                known = time.monotonic(), self._store.count_vectors(space), self._store.count()
                self._counted[space] = known
        return known[1:]


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
