"""Sound: a file decoded within bounds, then encoded by every audio encoder of the library."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from retrieval.core.errors import AudioError, BusyError
from retrieval.core.queries import MAX_AUDIO_BYTES, AudioQuery
from retrieval.core.spaces import EmbeddingSpace, Level, Modality, Probe
from retrieval.search.queries.kind import Asked, QueryKind, Sources
from retrieval.search.weights import standard_weights


class AudioKind(QueryKind[AudioQuery]):
    """An encoded sound file."""

    name = "audio"
    encoded = True
    source = Modality.AUDIO

    def check(self, query: AudioQuery, where: str) -> None:
        """Reject no bytes at all, and more than the limit."""
        if not query.data:
            raise AudioError(
                f"{where}audio: the sound file is empty",
                reason="AUDIO_EMPTY",
                metadata={"field": f"{where}audio"},
            )
        if len(query.data) > MAX_AUDIO_BYTES:
            raise BusyError(
                f"{where}audio: {len(query.data)} bytes; at most {MAX_AUDIO_BYTES} are read",
                reason="TOO_LARGE",
                metadata={"limit": str(MAX_AUDIO_BYTES)},
            )

    def takes(self, space: EmbeddingSpace) -> bool:
        """Spaces whose queries may be sound; a sound is compared with whole tracks."""
        return Modality.AUDIO in space.query_modalities and Level.TRACK in space.levels

    def probes(
        self, asked: Sequence[Asked[AudioQuery]], sources: Sources
    ) -> Iterable[tuple[Asked[AudioQuery], Probe]]:
        """Each file is decoded once; files asked in the same spaces share batches."""
        alike: dict[tuple[str, ...], list[Asked[AudioQuery]]] = defaultdict(list)
        for one in asked:
            alike[tuple(space.name for space in one.spaces)].append(one)
        for those in alike.values():
            spaces = those[0].spaces
            sounds = [(f"{one.where}audio", one.query.data) for one in those]
            encoded = sources.encoding.sounds(spaces, sounds, sources.budget)
            for one, vectors in zip(those, encoded, strict=True):
                for space in spaces:
                    if space.name in vectors:
                        weights = standard_weights(space, sources.info, sources.encoding)
                        yield one, Probe(space.name, vectors[space.name], weights)
                    elif one.named or not vectors:
                        raise AudioError(
                            f"{one.where}audio: space {space.name!r} hears nothing in it",
                            reason="AUDIO_SILENT",
                            metadata={"field": f"{one.where}audio", "space": space.name},
                        )
