"""What went wrong, as the errors a library in this process would raise."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from retrieval.api.errors import decode_error, error_class
from retrieval.core.errors import (
    BusyError,
    DeadlineError,
    PreconditionError,
    SegueError,
    StoreError,
)

_DETAILS = "grpc-status-details-bin"


def translate(error: grpc.RpcError, address: str, timeout: float) -> SegueError:
    """The error behind a failed call.

    Args:
        error: From a sync or an aio call.
        address: Of the service, for the message.
        timeout: Of the call, in seconds.
    """
    call: Any = error
    code: grpc.StatusCode = call.code()
    reported = _reported(call)
    if reported is not None:
        return reported
    details = call.details() or ""
    match code:
        case grpc.StatusCode.UNAVAILABLE:
            return StoreError(
                f"cannot reach the service at {address}: is `segue serve` running there, and is "
                f"TLS on or off at both ends? ({details[:200]})",
                reason="SERVICE_UNAVAILABLE",
                metadata={"address": address},
            )
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineError(f"no answer from {address} within {timeout:g} s")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            reason = "TOO_LARGE" if "larger than max" in details else None
            return BusyError(f"{address}: {details}", reason=reason)
        case grpc.StatusCode.UNIMPLEMENTED:
            return PreconditionError(
                f"{address} is no Segue service, or one of another version ({details[:200]})",
                reason="UNIMPLEMENTED",
                metadata={"address": address},
            )
        case _:
            return error_class(code.value[0])(f"{address}: {code.name}: {details}")


def _reported(call: Any) -> SegueError | None:
    for key, value in call.trailing_metadata() or ():
        if key == _DETAILS and isinstance(value, bytes):
            try:
                return decode_error(status_pb2.Status.FromString(value))
            except DecodeError:
                return None
    return None
