"""From engine answers to the exact answer of a query: ties, rounding and grouping.

An engine cuts its answer at a number of points, and where scores tie it cuts anywhere. A
``Ranking`` asks for a few more than wanted and looks whether what was left out could belong to the
answer; if so it asks for more. Usually one round trip settles it. Stores drive it::

    while asks := ranking.asks():
        ranking.feed([answer(ask) for ask in asks])
    ranking.matches()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import InvalidInputError, PreconditionError
from retrieval.core.payload import Payload
from retrieval.core.spaces import (
    Distance,
    EmbeddingSpace,
    Level,
    SparseVector,
    Vector,
    check_vector,
)
from retrieval.core.tracks import LibraryInfo, Span
from retrieval.store.points import decode_fields, span_of, track_id_of
from retrieval.store.protocol import Match, StoreQuery
from retrieval.store.weighted import DirectedProbe, WeightedProbe, plan

_GROWTH = 4


@dataclass(frozen=True, slots=True)
class Ask:
    """One engine query: the ``limit`` best points, of one track only if ``track`` is set."""

    limit: int
    track: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One point of an engine answer.

    Attributes:
        track_id: The track, or the track that the segment is of.
        score: The engine's own score, higher is better.
        span: Segments only.
        payload: The fields asked for.
        stored: Stored form of the vector, weighted-Euclidean spaces only.
    """

    track_id: str
    score: float
    span: Span | None = None
    payload: Payload = field(default_factory=dict)
    stored: NDArray[np.floating] | None = None


def space_of(info: LibraryInfo, name: str) -> EmbeddingSpace:
    """A space of a library.

    Raises:
        PreconditionError: SPACE_UNAVAILABLE, with the spaces there are.
    """
    space = info.spaces.get(name)
    if space is None:
        known = ", ".join(sorted(info.spaces)) or "none"
        raise PreconditionError(
            f"this library has no space {name!r}; it has: {known}", metadata={"spaces": known}
        )
    return space


def order(match: Match) -> tuple[float, str, float, float]:
    """Sort key of answers: best score first, ties by track id, then start time, then end."""
    start, end = (match.span.start, match.span.end) if match.span else (0.0, 0.0)
    return -match.score, match.track_id, start, end


class Ranking:
    """One store query on its way to its exact answer.

    Args:
        query: The question.
        space: The space of its probe.

    Raises:
        InvalidInputError: If the probe does not fit the space, or the query makes no sense.
        PreconditionError: SPACE_UNAVAILABLE if the space has no vectors at this level.
    """

    def __init__(self, query: StoreQuery, space: EmbeddingSpace) -> None:
        check_vector(space, query.probe.vector, where="query")
        if query.level not in space.levels:
            raise PreconditionError(f"space {space.name!r} has no {query.level.value} vectors")
        if query.per_track is not None and query.level is not Level.SEGMENT:
            raise InvalidInputError("per_track groups segments; tracks have nothing to group")
        if query.limit < 1 or (query.per_track is not None and query.per_track < 1):
            raise InvalidInputError("limit and per_track must be at least 1")
        self.query = query
        self.space = space
        self._weighted: WeightedProbe | DirectedProbe | None = None
        if space.distance is Distance.WEIGHTED_EUCLIDEAN:
            self._weighted = plan(space, query.probe)
        self._groups: dict[str, _Best] | None = None
        wanted = query.limit * (query.per_track or 1)
        # A sparse query without terms matches nothing, and engines disagree on how to say so.
        vacuous = isinstance(query.probe.vector, SparseVector) and not len(query.probe.vector)
        first = wanted + _margin(wanted)
        if self._weighted is not None:
            first = self._weighted.first(first)
        self._asks: dict[str | None, Ask] = {} if vacuous else {None: Ask(first)}
        self._matches: tuple[Match, ...] = ()

    @property
    def vector(self) -> Vector:
        """The query vector to send: expanded in weighted-Euclidean spaces."""
        return self.query.probe.vector if self._weighted is None else self._weighted.vector

    @property
    def exact(self) -> bool:
        """Whether the engine must scan: a graph built on inner products of ``[u, u^2]`` is void."""
        return self.query.exact or self._weighted is not None

    @property
    def needs_stored(self) -> bool:
        """Whether the engine must return the stored vectors of this space."""
        return self._weighted is not None

    def candidate(
        self, score: float, payload: Mapping[str, Any] | None, vectors: object
    ) -> Candidate:
        """A point of an engine's answer: its score, its payload and, if asked for, its vectors."""
        kept = payload or {}
        stored = None
        if self.needs_stored and isinstance(vectors, Mapping):
            stored = np.asarray(vectors[self.space.name], dtype=np.float32)
        wanted = self.query.payload is None or self.query.payload
        fields = decode_fields(kept) if wanted else {}
        return Candidate(track_id_of(kept), score, span_of(kept), fields, stored)

    def asks(self) -> tuple[Ask, ...]:
        """What to ask the engine next; empty once the answer is complete."""
        return tuple(self._asks.values())

    def matches(self) -> tuple[Match, ...]:
        """The answer, complete once ``asks`` is empty."""
        return self._matches

    def feed(self, answers: Sequence[Sequence[Candidate]]) -> None:
        """Take the engine's answers to ``asks``, in the same order."""
        asked, self._asks = list(self._asks.values()), {}
        for ask, candidates in zip(asked, answers, strict=True):
            best = self._best(ask, candidates)
            if ask.track is not None and self._groups is not None:
                self._groups[ask.track] = best
                self._settle(best, self.query.per_track or 1, ask)
            elif self.query.per_track is None:
                self._settle(best, self.query.limit, ask)
                self._matches = best.matches[: self.query.limit]
            else:
                self._group(best, ask)
        if self._groups is not None and not self._asks:
            groups = sorted(self._groups.values(), key=lambda group: order(group.matches[0]))
            per_track = self.query.per_track
            self._matches = tuple(m for group in groups for m in group.matches[:per_track])

    def _best(self, ask: Ask, candidates: Sequence[Candidate]) -> _Best:
        if not candidates:
            return _Best((), 0.0, exhausted=True)
        matches = [Match(c.track_id, c.score, c.span, payload=c.payload) for c in candidates]
        if self._weighted is not None:
            stored = np.array([c.stored for c in candidates])
            distances = self._weighted.distances(stored).tolist()
            matches = [
                Match(m.track_id, self._weighted.score(distance), m.span, distance, m.payload)
                for m, distance in zip(matches, distances, strict=True)
            ]
        last = min(map(attrgetter("score"), candidates))
        exhausted = len(candidates) < ask.limit
        return _Best(tuple(sorted(matches, key=order)), last, exhausted)

    def _settled(self, best: _Best, match: Match) -> bool:
        """Whether no point left out of an answer can come before this match."""
        if best.exhausted:
            return True
        if self._weighted is not None and match.distance is not None:
            return self._weighted.settles(match.distance, best.last_score)
        return match.score > best.last_score

    def _settle(self, best: _Best, wanted: int, ask: Ask) -> None:
        if not best.exhausted and not self._settled(best, best.matches[wanted - 1]):
            self._asks[ask.track] = Ask(ask.limit * _GROWTH, ask.track)

    def _group(self, best: _Best, ask: Ask) -> None:
        groups: dict[str, list[Match]] = {}
        for match in best.matches:
            groups.setdefault(match.track_id, []).append(match)
        chosen = list(groups.values())[: self.query.limit]
        if not best.exhausted and (
            len(chosen) < self.query.limit or not self._settled(best, chosen[-1][0])
        ):
            self._asks[None] = Ask(ask.limit * _GROWTH)
            return
        self._groups = {
            group[0].track_id: _Best(tuple(group), best.last_score, best.exhausted)
            for group in chosen
        }
        per_track = self.query.per_track or 1
        for track_id, group_best in self._groups.items():
            matches = group_best.matches
            enough = len(matches) >= per_track
            if not best.exhausted and not (
                enough and self._settled(group_best, matches[per_track - 1])
            ):
                self._asks[track_id] = Ask(per_track + _margin(per_track), track_id)


@dataclass(frozen=True, slots=True)
class _Best:
    """Matches in order, with the engine's lowest score and whether it had no more to give."""

    matches: tuple[Match, ...]
    last_score: float
    exhausted: bool


def _margin(wanted: int) -> int:
    return 8 + wanted // 8
