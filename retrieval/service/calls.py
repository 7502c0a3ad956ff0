"""The call in progress, and the interceptors' common way to wrap a handler."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio

if TYPE_CHECKING:
    from retrieval.service.lanes import Lane

Context = grpc.aio.ServicerContext[Any, Any]
Run = Callable[[], Awaitable[Any]]


@dataclass(slots=True)
class Call:
    """What the interceptors of one call tell each other.

    Attributes:
        method: Full name, ``/package.Service/Method``.
        request_id: The caller's ``x-request-id``, or one of ours.
        code: Name of the status code the call ended with.
        reason: Reason code of the error it ended with, or "".
        lane: Where its work runs; None for health and reflection.
    """

    method: str
    request_id: str
    code: str = "OK"
    reason: str = ""
    lane: Lane | None = None


CALL: ContextVar[Call] = ContextVar("call")


class Interceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler in ``around``; handlers are wrapped once per method, then kept."""

    def __init__(self) -> None:
        self._wrapped: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}

    @abstractmethod
    async def around(self, method: str, run: Run, context: Context) -> Any:
        """Run the call: ``await run()``, with whatever belongs before and after."""

    def deserializer(self, inner: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        """Wrap the parser of request messages."""
        return inner

    def opened(self, request: Any) -> Any:
        """The request as the handler should see it: what ``deserializer`` returned."""
        return request

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Hand out the wrapped handler of a method; None if there is no such method."""
        method = handler_call_details.method
        known = self._wrapped.get(method)
        if known is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            known = self._wrapped[method] = self._wrap(method, handler)
        return known

    def _wrap(self, method: str, handler: Any) -> grpc.RpcMethodHandler[Any, Any]:
        parts = ("stream" if handler.request_streaming else "unary") + (
            "_stream" if handler.response_streaming else "_unary"
        )
        inner = getattr(handler, parts)
        opened = self._opened_each if handler.request_streaming else self.opened

        async def unary(request: Any, context: Context) -> Any:
            async def run() -> Any:
                return await inner(opened(request), context)

            return await self.around(method, run, context)

        async def stream(request: Any, context: Context) -> None:
            async def run() -> None:
                answers = inner(opened(request), context)
                if not hasattr(answers, "__aiter__"):
                    await answers
                    return
                async for answer in answers:
                    await context.write(answer)

            await self.around(method, run, context)

        make = getattr(grpc, f"{parts}_rpc_method_handler")
        made: grpc.RpcMethodHandler[Any, Any] = make(
            stream if handler.response_streaming else unary,
            request_deserializer=self.deserializer(handler.request_deserializer),
            response_serializer=handler.response_serializer,
        )
        return made

    async def _opened_each(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            yield self.opened(request)
