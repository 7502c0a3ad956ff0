"""More like this moment: a time span of a track of the library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from retrieval.core.errors import NotFoundError, PreconditionError
from retrieval.core.queries import SegmentQuery
from retrieval.core.spaces import EmbeddingSpace, Level, Modality, Probe, check_vector
from retrieval.core.tracks import SegmentRecord, Span, check_track_id
from retrieval.search.queries.kind import Asked, QueryKind, Sources
from retrieval.search.weights import standard_weights


class SegmentKind(QueryKind[SegmentQuery]):
    """A time span of a track. The track itself may be in the answer: a refrain comes back."""

    name = "segment"
    source = Modality.AUDIO

    def check(self, query: SegmentQuery, where: str) -> None:
        """Reject what is not a track id; ``Span`` has checked itself."""
        check_track_id(query.track_id, where=f"{where}segment.track")

    def takes(self, space: EmbeddingSpace) -> bool:
        """Dense spaces that hold segments."""
        return not space.sparse and Level.SEGMENT in space.levels

    def probes(
        self, asked: Sequence[Asked[SegmentQuery]], sources: Sources
    ) -> Iterable[tuple[Asked[SegmentQuery], Probe]]:
        """The stored segments that overlap the span, averaged with the overlap as weight.

        Raises:
            NotFoundError: TRACK_NOT_FOUND, or SEGMENT_NOT_FOUND if no segment overlaps the span.
            PreconditionError: SPACE_UNAVAILABLE if they have no vector in a space the caller named.
        """
        ids = list(dict.fromkeys(one.query.track_id for one in asked))
        records = sources.store.retrieve(ids, payload=(), vectors=True, segments=True)
        found = {record.id: record for record in records}
        for one in asked:
            record = found.get(one.query.track_id)
            if record is None:
                raise NotFoundError(
                    f"track {one.query.track_id!r} is not in the library",
                    metadata={"track": one.query.track_id},
                )
            overlapping = [s for s in record.segments if _overlap(s, one.query.span) > 0.0]
            if not overlapping:
                raise _no_segment(one)
            answered = False
            for space in one.spaces:
                parts = [s for s in overlapping if space.name in s.vectors]
                if not parts:
                    if one.named:
                        raise PreconditionError(
                            f"the segments of track {record.id!r} have no vector in {space.name!r}",
                            metadata={"spaces": space.name},
                        )
                    continue
                vector = np.average(
                    np.asarray([s.vectors[space.name] for s in parts], dtype=np.float64),
                    axis=0,
                    weights=[_overlap(s, one.query.span) for s in parts],
                ).astype(np.float32)
                check_vector(space, vector, where=f"{one.where}segment")
                answered = True
                weights = standard_weights(space, sources.info, sources.encoding)
                yield one, Probe(space.name, vector, weights)
            if not answered:
                raise _no_segment(one)


def _overlap(segment: SegmentRecord, span: Span) -> float:
    return min(segment.span.end, span.end) - max(segment.span.start, span.start)


def _no_segment(one: Asked[SegmentQuery]) -> NotFoundError:
    span = one.query.span
    return NotFoundError(
        f"{one.where}segment: track {one.query.track_id!r} has no segment between "
        f"{span.start:g} and {span.end:g} s",
        reason="SEGMENT_NOT_FOUND",
        metadata={"track": one.query.track_id},
    )
