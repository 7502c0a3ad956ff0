"""The one place where errors become statuses.

Errors of ours keep their kind, reason and metadata. Everything else is a defect: the caller gets
INTERNAL with an id, the log gets the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from grpc_status import rpc_status

from retrieval.api.errors import encode_error
from retrieval.core.errors import InternalError, InvalidInputError, SegueError
from retrieval.service.calls import CALL, Context, Interceptor, Run
from retrieval.service.logs import Logger
from retrieval.service.telemetry import REQUEST_ID


@dataclass(frozen=True, slots=True)
class Malformed:
    """What a request that does not parse becomes, because a parser that raises ends in UNKNOWN."""


class Guard(Interceptor):
    """Maps every exception of a call to a status with details."""

    def __init__(self, log: Logger) -> None:
        super().__init__()
        self._log = log

    def deserializer(self, inner: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        """A parser that returns ``Malformed`` where ``inner`` raises."""

        def parse(data: bytes) -> Any:
            try:
                return inner(data)
            except Exception:
                return Malformed()

        return parse

    def opened(self, request: Any) -> Any:
        """The request.

        Raises:
            InvalidInputError: If it did not parse.
        """
        if isinstance(request, Malformed):
            raise InvalidInputError(
                "the request is not a valid message of this method's type; it may be truncated, "
                "nested too deeply, or from another API version"
            )
        return request

    async def around(self, method: str, run: Run, context: Context) -> Any:
        """Run the call; turn what it raises into a status."""
        try:
            return await run()
        except SegueError as error:
            await self._abort(error, context)
        except grpc.aio.BaseError:
            raise  # the core's own: already aborted, or the connection is gone
        except Exception:
            call = CALL.get()
            self._log.exception("defect", method=method, request_id=call.request_id)
            hidden = InternalError(
                f"internal error; the service's log has it under {call.request_id}",
                metadata={"request_id": call.request_id},
            )
            await self._abort(hidden, context)

    async def _abort(self, error: SegueError, context: Context) -> None:
        call = CALL.get()
        call.code, call.reason = error.kind.name, error.reason
        status = rpc_status.to_status(encode_error(error))
        trailers = (*status.trailing_metadata, (REQUEST_ID, call.request_id))
        await context.abort(status.code, status.details, trailers)
