"""Tracks like some examples and unlike others: the query inside a recommendation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import InvalidInputError, NotFoundError, PreconditionError
from retrieval.core.spaces import EmbeddingSpace, Level, Modality, Probe, check_vector
from retrieval.core.tracks import TrackRecord, check_track_id
from retrieval.search.queries.kind import Asked, Q, QueryKind, Sources
from retrieval.search.weights import standard_weights

MAX_EXAMPLES = 64


@dataclass(frozen=True, slots=True)
class Examples:
    """Ids of tracks to be like, and of tracks to be unlike."""

    positive: tuple[str, ...]
    negative: tuple[str, ...] = ()


class ExamplesKind(QueryKind[Examples]):
    """Positive and negative examples, all left out of the answer."""

    name = "example"
    source = Modality.AUDIO

    def check(self, query: Examples, where: str) -> None:
        """Reject no positive example, too many, and what is not a track id."""
        if not 1 <= len(query.positive) <= MAX_EXAMPLES:
            raise InvalidInputError(
                f"{where}positive: 1 to {MAX_EXAMPLES} tracks, got {len(query.positive)}",
                metadata={"field": f"{where}positive"},
            )
        if len(query.negative) > MAX_EXAMPLES:
            raise InvalidInputError(
                f"{where}negative: at most {MAX_EXAMPLES} tracks, got {len(query.negative)}",
                metadata={"field": f"{where}negative"},
            )
        for name, ids in (("positive", query.positive), ("negative", query.negative)):
            for place, track_id in enumerate(ids):
                check_track_id(track_id, where=f"{where}{name}[{place}]")

    def takes(self, space: EmbeddingSpace) -> bool:
        """All dense spaces of whole tracks."""
        return not space.sparse and Level.TRACK in space.levels

    def excluded(self, query: Examples) -> tuple[str, ...]:
        """Every example."""
        return tuple(dict.fromkeys((*query.positive, *query.negative)))

    def probes(
        self, asked: Sequence[Asked[Examples]], sources: Sources
    ) -> Iterable[tuple[Asked[Examples], Probe]]:
        """``2 * mean(positive) - mean(negative)``, or the mean of the positives alone."""
        return example_probes([(one, one.query) for one in asked], sources)


def example_probes(
    pairs: Sequence[tuple[Asked[Q], Examples]], sources: Sources
) -> Iterable[tuple[Asked[Q], Probe]]:
    """The probes of examples, from stored vectors fetched at once.

    An example without a vector in a space has no say in it.

    Args:
        pairs: Each query with the examples it stands for.
        sources: Where the vectors are.

    Raises:
        NotFoundError: TRACK_NOT_FOUND if an example is not in the library.
        PreconditionError: SPACE_UNAVAILABLE if no positive example has a vector in a space that
            the caller named, or in any of those chosen by default.
    """
    wanted = dict.fromkeys(
        track_id for _, examples in pairs for track_id in (*examples.positive, *examples.negative)
    )
    records = sources.store.retrieve(list(wanted), payload=(), vectors=True)
    found = {record.id: record for record in records}
    for track_id in wanted:
        if track_id not in found:
            raise NotFoundError(
                f"track {track_id!r} is not in the library", metadata={"track": track_id}
            )
    for one, examples in pairs:
        silent = True
        for space in one.spaces:
            vector = _direction(examples, space, found)
            if vector is None:
                if one.named:
                    raise _no_vector(examples, space.name)
                continue
            silent = False
            check_vector(space, vector, where=f"{one.where}the examples together")
            yield (
                one,
                Probe(space.name, vector, standard_weights(space, sources.info, sources.encoding)),
            )
        if silent:
            raise _no_vector(examples, ", ".join(space.name for space in one.spaces))


def _direction(
    query: Examples, space: EmbeddingSpace, found: Mapping[str, TrackRecord]
) -> NDArray[np.float32] | None:
    positive = _mean(query.positive, space, found)
    if positive is None:
        return None
    negative = _mean(query.negative, space, found)
    both = positive if negative is None else 2.0 * positive - negative
    return both.astype(np.float32)


def _mean(
    ids: Sequence[str], space: EmbeddingSpace, found: Mapping[str, TrackRecord]
) -> NDArray[np.float64] | None:
    vectors = [found[i].vectors[space.name] for i in ids if space.name in found[i].vectors]
    if not vectors:
        return None
    mean: NDArray[np.float64] = np.mean(np.asarray(vectors, dtype=np.float64), axis=0)
    return mean


def _no_vector(examples: Examples, spaces: str) -> PreconditionError:
    tracks = ", ".join(examples.positive[:3])
    return PreconditionError(
        f"{tracks}: no vector in {spaces}; index the track with that encoder, or ask elsewhere",
        reason="SPACE_UNAVAILABLE",
        metadata={"spaces": spaces},
    )
