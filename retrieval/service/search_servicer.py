"""SearchService: parse, ask the library, answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from retrieval.api.hits import encode_response
from retrieval.api.masks import HitMask
from retrieval.api.requests import decode_recommend, decode_search
from retrieval.api.v1 import search_pb2 as pb
from retrieval.api.v1 import search_pb2_grpc
from retrieval.core.budget import Budget
from retrieval.core.queries import RecommendRequest, SearchRequest, SearchResponse
from retrieval.service.backend import Backend, ServedLibrary
from retrieval.service.calls import Context
from retrieval.service.uploads import receive_sounds

Q = TypeVar("Q", SearchRequest, RecommendRequest)
M = TypeVar("M", pb.SearchRequest, pb.RecommendRequest)
R = TypeVar("R", pb.SearchResponse, pb.SearchAudioResponse, pb.RecommendResponse)


class SearchServicer(search_pb2_grpc.SearchServiceServicer):
    """Adapter over ``Library.search`` and ``Library.recommend``."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def Search(  # noqa: N802 - named by the proto
        self, request: pb.SearchRequest, context: Context
    ) -> pb.SearchResponse:
        """Answer one message."""
        return await self._backend.run(
            context,
            lambda library, budget: self._search(request, library, budget, pb.SearchResponse()),
        )

    async def SearchAudio(  # noqa: N802 - named by the proto
        self, requests: AsyncIterator[pb.SearchAudioRequest], context: Context
    ) -> pb.SearchAudioResponse:
        """Answer a search whose sounds come in chunks."""
        self._backend.opened()
        request = await receive_sounds(requests, self._backend.max_upload_bytes)
        return await self._backend.run(
            context,
            lambda library, budget: self._search(
                request, library, budget, pb.SearchAudioResponse()
            ),
        )

    async def Recommend(  # noqa: N802 - named by the proto
        self, request: pb.RecommendRequest, context: Context
    ) -> pb.RecommendResponse:
        """Answer examples."""

        def work(library: ServedLibrary, budget: Budget) -> pb.RecommendResponse:
            return self._page(
                request,
                library,
                decode_recommend,
                lambda asked: library.recommend(asked, budget=budget),
                pb.RecommendResponse(),
            )

        return await self._backend.run(context, work)

    def _search(
        self, request: pb.SearchRequest, library: ServedLibrary, budget: Budget, empty: R
    ) -> R:
        return self._page(
            request,
            library,
            decode_search,
            lambda asked: library.search(asked, budget=budget),
            empty,
        )

    def _page(
        self,
        request: M,
        library: ServedLibrary,
        decode: Callable[[M, int], tuple[Q, HitMask]],
        ask: Callable[[Q], SearchResponse],
        empty: R,
    ) -> R:
        offset = request.skip
        if request.page_token:
            library_id = library.info().id
            offset = self._backend.tokens.read_offset(request.page_token, request, library_id)
        asked, mask = decode(request, offset)
        answer = ask(asked)
        message = encode_response(answer, mask, empty)
        if answer.more:
            position = str(asked.offset + len(answer.hits))
            message.next_page_token = self._backend.tokens.make(
                request, library.info().id, position
            )
        return message
