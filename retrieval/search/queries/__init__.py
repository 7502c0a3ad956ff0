"""The kinds of query there are: one module each, and one line below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from retrieval.core.errors import InvalidInputError
from retrieval.core.queries import (
    AudioQuery,
    SegmentQuery,
    TextQuery,
    TrackQuery,
    VectorQuery,
    VideoQuery,
)
from retrieval.search.queries.audio import AudioKind
from retrieval.search.queries.examples import Examples, ExamplesKind
from retrieval.search.queries.kind import QueryKind
from retrieval.search.queries.segment import SegmentKind
from retrieval.search.queries.text import TextKind
from retrieval.search.queries.track import TrackKind
from retrieval.search.queries.vector import VectorKind
from retrieval.search.queries.video import VideoKind

KINDS: Mapping[type, QueryKind[Any]] = {
    TextQuery: TextKind(),
    AudioQuery: AudioKind(),
    TrackQuery: TrackKind(),
    SegmentQuery: SegmentKind(),
    VectorQuery: VectorKind(),
    VideoQuery: VideoKind(),
    Examples: ExamplesKind(),
}


def kind_of(query: object) -> QueryKind[Any]:
    """The kind a query is of.

    Raises:
        InvalidInputError: INVALID_REQUEST if no such kind is registered.
    """
    kind = KINDS.get(type(query))
    if kind is None:
        raise InvalidInputError(f"queries of type {type(query).__name__} are not known")
    return kind
