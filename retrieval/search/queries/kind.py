"""What a kind of query is: the checks, spaces and probes that differ from one kind to the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from retrieval.core.budget import Budget
from retrieval.core.spaces import EmbeddingSpace, Modality, Probe
from retrieval.core.tracks import LibraryInfo
from retrieval.core.video import VideoPrediction
from retrieval.search.calibration_measure import Calibrations
from retrieval.search.coverage import Coverage
from retrieval.search.encoding import Encoding
from retrieval.search.pictures import Pictures
from retrieval.store.protocol import Store
from retrieval.store.series import SeriesFolder

Q = TypeVar("Q")


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """What the query path draws on.

    Attributes:
        store: Where the library lives.
        info: What the library is made of, read once per request.
        encoding: The encoders of this machine.
        coverage: Which spaces lack tracks.
        calibrations: What scores are worth in this library.
        budget: Checked between stages.
        pictures: The models for pictures of this machine.
        series: Where series of tracks are kept; None if they are not.
        videos: What became of the video queries of this request, by their index; they fill it in.
    """

    store: Store
    info: LibraryInfo
    encoding: Encoding
    coverage: Coverage
    calibrations: Calibrations
    budget: Budget
    pictures: Pictures
    series: SeriesFolder | None = None
    videos: dict[int, VideoPrediction] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Asked(Generic[Q]):
    """One query of a request, with the spaces it is asked in.

    Attributes:
        index: Its place in the request, from 0.
        query: The query itself.
        shares: What its ranking in each space counts in the fusion, by name of the space.
        spaces: At least one.
        named: True if the caller named the spaces. A space that was merely chosen by default is
            left out where it cannot take this very query; a named one is an error.
        where: Prefix with which errors name a part of the query: ``queries[0].``; empty for a
            request that is one query itself.
    """

    index: int
    query: Q
    shares: Mapping[str, float]
    spaces: tuple[EmbeddingSpace, ...]
    named: bool
    where: str


class QueryKind(ABC, Generic[Q]):
    """One kind of query. An instance has no state; ``queries.KINDS`` registers it.

    Attributes:
        name: What the kind is called in messages.
        encoded: True if its probes come out of an encoder on this machine, so that the encoder's
            revision must be the library's.
        source: What its probes are made of, by which their scores are judged; None if nobody knows.
    """

    name: ClassVar[str]
    encoded: ClassVar[bool] = False
    source: ClassVar[Modality | None] = None

    @abstractmethod
    def check(self, query: Q, where: str) -> None:
        """Reject, with InvalidInputError, what could work in no library."""

    @abstractmethod
    def takes(self, space: EmbeddingSpace) -> bool:
        """Whether such queries can be asked in this space."""

    def names(self, query: Q) -> tuple[str, ...]:
        """Spaces that the query itself names."""
        del query
        return ()

    def defaults(
        self, query: Q, spaces: Sequence[EmbeddingSpace], where: str
    ) -> Sequence[EmbeddingSpace]:
        """The spaces to ask when none are named, out of those that take such queries."""
        del query, where
        return spaces

    def excluded(self, query: Q) -> tuple[str, ...]:
        """Tracks to leave out of the answer."""
        del query
        return ()

    @abstractmethod
    def probes(
        self, asked: Sequence[Asked[Q]], sources: Sources
    ) -> Iterable[tuple[Asked[Q], Probe]]:
        """The probes of all queries of this kind in a request, made in one batch."""
