"""A ready-made vector in one space."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from retrieval.core.errors import InvalidInputError
from retrieval.core.queries import VectorQuery
from retrieval.core.spaces import MAX_DIM, EmbeddingSpace, Probe, check_vector
from retrieval.search.faults import at_fault
from retrieval.search.queries.kind import Asked, QueryKind, Sources
from retrieval.search.weights import query_weights


class VectorKind(QueryKind[VectorQuery]):
    """Values in a space's own units, with weights where the space has them."""

    name = "vector"

    def check(self, query: VectorQuery, where: str) -> None:
        """Reject no values, and more than any space has."""
        if not 1 <= len(query.values) <= MAX_DIM:
            raise InvalidInputError(
                f"{where}vector.values: 1 to {MAX_DIM} values, got {len(query.values)}",
                reason="INVALID_VECTOR",
                metadata={"field": f"{where}vector.values"},
            )

    def takes(self, space: EmbeddingSpace) -> bool:
        """All dense spaces."""
        return not space.sparse

    def names(self, query: VectorQuery) -> tuple[str, ...]:
        """The query may name its one space."""
        return () if query.space is None else (query.space,)

    def defaults(
        self, query: VectorQuery, spaces: Sequence[EmbeddingSpace], where: str
    ) -> Sequence[EmbeddingSpace]:
        """The one dense space of this length."""
        fitting = [space for space in spaces if space.dim == len(query.values)]
        if len(fitting) == 1:
            return fitting
        have = ", ".join(f"{space.name} ({space.dim})" for space in spaces)
        if not fitting:
            raise InvalidInputError(
                f"{where}vector.values: no space has {len(query.values)} dimensions; "
                f"this library has: {have or 'no dense space'}",
                reason="INVALID_VECTOR",
                metadata={
                    "field": f"{where}vector.values",
                    "spaces": ",".join(space.name for space in spaces),
                },
            )
        names = ", ".join(space.name for space in fitting)
        raise InvalidInputError(
            f"{where}vector.space: {names} all have {len(query.values)} dimensions; name one",
            metadata={
                "field": f"{where}vector.space",
                "spaces": ",".join(space.name for space in fitting),
            },
        )

    def probes(
        self, asked: Sequence[Asked[VectorQuery]], sources: Sources
    ) -> Iterable[tuple[Asked[VectorQuery], Probe]]:
        """The values as they are, checked against each space."""
        for one in asked:
            with np.errstate(over="ignore"):
                vector = np.asarray(one.query.values, dtype=np.float64).astype(np.float32)
            where = f"{one.where}vector."
            for space in one.spaces:
                with at_fault(f"{where}values"):
                    check_vector(space, vector, where=f"{where}values")
                weights = query_weights(
                    space, one.query, sources.info, sources.encoding, where=where
                )
                yield one, Probe(space.name, vector, weights)
