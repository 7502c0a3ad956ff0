"""Words: encoded by every text encoder of the library."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from retrieval.core.errors import InvalidInputError
from retrieval.core.queries import MAX_TEXT_QUERY, TextQuery
from retrieval.core.spaces import EmbeddingSpace, Modality, Probe
from retrieval.search.faults import located
from retrieval.search.queries.kind import Asked, QueryKind, Sources


class TextKind(QueryKind[TextQuery]):
    """A title, a name or a description."""

    name = "text"
    encoded = True
    source = Modality.TEXT

    def check(self, query: TextQuery, where: str) -> None:
        """Reject an empty or overlong text."""
        if not query.text.strip():
            raise InvalidInputError(
                f"{where}text: the text is empty", metadata={"field": f"{where}text"}
            )
        if len(query.text) > MAX_TEXT_QUERY:
            raise InvalidInputError(
                f"{where}text: {len(query.text)} characters; at most {MAX_TEXT_QUERY} are read",
                metadata={"field": f"{where}text", "limit": str(MAX_TEXT_QUERY)},
            )

    def takes(self, space: EmbeddingSpace) -> bool:
        """Spaces whose queries may be text."""
        return Modality.TEXT in space.query_modalities

    def probes(
        self, asked: Sequence[Asked[TextQuery]], sources: Sources
    ) -> Iterable[tuple[Asked[TextQuery], Probe]]:
        """One batch per space over all texts of the request."""
        by_space: dict[str, list[Asked[TextQuery]]] = defaultdict(list)
        spaces: dict[str, EmbeddingSpace] = {}
        for one in asked:
            for space in one.spaces:
                spaces[space.name] = space
                by_space[space.name].append(one)
        probes: list[tuple[Asked[TextQuery], Probe]] = []
        refusals: dict[int, InvalidInputError] = {}
        for name, those in by_space.items():
            texts = [one.query.text for one in those]
            encoded = sources.encoding.texts(spaces[name], texts, sources.budget)
            for one, vector in zip(those, encoded, strict=True):
                if not isinstance(vector, InvalidInputError):
                    probes.append((one, Probe(name, vector)))
                elif one.named:
                    raise located(vector, f"{one.where}text")
                else:
                    refusals[one.index] = located(vector, f"{one.where}text")
        answered = {one.index for one, _ in probes}
        for index, refusal in refusals.items():
            if index not in answered:
                raise refusal
        return probes
