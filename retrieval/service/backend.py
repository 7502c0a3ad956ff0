"""Between the event loop and the library: work runs in the lane of its call, within its budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from retrieval.api.errors import RETRY_AFTER
from retrieval.core.budget import Budget
from retrieval.core.errors import StoreError
from retrieval.core.library import Library, RecordReader, SeriesLibrary
from retrieval.core.queries import RecommendRequest, SearchRequest, SearchResponse
from retrieval.search.text_batches import TextCounts
from retrieval.service.calls import CALL, Context
from retrieval.service.page_tokens import PageTokens

T = TypeVar("T")


class ServedLibrary(Library, RecordReader, SeriesLibrary, Protocol):
    """A library whose searches can be told to stop. Synchronous, safe from several threads."""

    def search(self, request: SearchRequest, *, budget: Budget | None = None) -> SearchResponse:
        """Answer a search within the budget."""
        ...

    def recommend(
        self, request: RecommendRequest, *, budget: Budget | None = None
    ) -> SearchResponse:
        """Answer a recommendation within the budget."""
        ...

    def text_counts(self) -> Mapping[str, TextCounts]:
        """What became of the query texts so far, by space."""
        ...


class Backend:
    """The library of a service, once it is open, and what handlers need besides."""

    def __init__(self, tokens: PageTokens, max_upload_bytes: int) -> None:
        """Start without a library; calls are UNAVAILABLE until ``library`` is set."""
        self.tokens = tokens
        self.max_upload_bytes = max_upload_bytes
        self.library: ServedLibrary | None = None

    def opened(self) -> ServedLibrary:
        """The library.

        Raises:
            StoreError: While the service is starting or stopping.
        """
        if self.library is None:
            raise StoreError(
                "the service is starting or stopping; try again in a moment",
                metadata={RETRY_AFTER: "1"},
            )
        return self.library

    async def run(self, context: Context, work: Callable[[ServedLibrary, Budget], T]) -> T:
        """Do the work of a call in a thread, within the caller's deadline.

        Args:
            context: Of the call.
            work: Takes the library and the budget; parses, asks and answers.
        """
        library = self.opened()
        lane = CALL.get().lane
        if lane is None:
            raise RuntimeError("this method has no lane")
        budget = Budget(context.time_remaining())
        return await lane.run(lambda: work(library, budget), budget)
