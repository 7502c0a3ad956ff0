"""More like this track: examples of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from retrieval.core.queries import TrackQuery
from retrieval.core.spaces import EmbeddingSpace, Level, Modality, Probe
from retrieval.core.tracks import check_track_id
from retrieval.search.queries.examples import Examples, example_probes
from retrieval.search.queries.kind import Asked, QueryKind, Sources


class TrackKind(QueryKind[TrackQuery]):
    """A track of the library, which is left out of the answer."""

    name = "track"
    source = Modality.AUDIO

    def check(self, query: TrackQuery, where: str) -> None:
        """Reject what is not a track id."""
        check_track_id(query.track_id, where=f"{where}track")

    def takes(self, space: EmbeddingSpace) -> bool:
        """All dense spaces of whole tracks."""
        return not space.sparse and Level.TRACK in space.levels

    def excluded(self, query: TrackQuery) -> tuple[str, ...]:
        """The track itself."""
        return (query.track_id,)

    def probes(
        self, asked: Sequence[Asked[TrackQuery]], sources: Sources
    ) -> Iterable[tuple[Asked[TrackQuery], Probe]]:
        """The stored vectors of all asked tracks, fetched at once."""
        pairs = [(one, Examples((one.query.track_id,))) for one in asked]
        return example_probes(pairs, sources)
