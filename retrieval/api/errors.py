"""Errors on the wire: ``google.rpc.Status`` with ``ErrorInfo``, and back.

The kind of an error alone decides its code. The reason and metadata travel in ``ErrorInfo``; a
``BadRequest`` names the field at fault where it is known, a ``RetryInfo`` says when to try again.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

from retrieval.core import errors
from retrieval.core.errors import ErrorKind, SegueError

DOMAIN = "segue"
RETRY_AFTER = "retry_after_seconds"
"""Metadata of a BusyError or StoreError that says when to try again."""

# HTTP/2 headers beyond 8 KiB may be dropped: the message travels twice, once percent-encoded.
MAX_MESSAGE = 1_000
MAX_METADATA = 1_500

CODES: Mapping[ErrorKind, int] = {
    ErrorKind.INVALID_ARGUMENT: code_pb2.INVALID_ARGUMENT,
    ErrorKind.NOT_FOUND: code_pb2.NOT_FOUND,
    ErrorKind.FAILED_PRECONDITION: code_pb2.FAILED_PRECONDITION,
    ErrorKind.UNAVAILABLE: code_pb2.UNAVAILABLE,
    ErrorKind.RESOURCE_EXHAUSTED: code_pb2.RESOURCE_EXHAUSTED,
    ErrorKind.DEADLINE_EXCEEDED: code_pb2.DEADLINE_EXCEEDED,
    ErrorKind.CANCELLED: code_pb2.CANCELLED,
    ErrorKind.UNAUTHENTICATED: code_pb2.UNAUTHENTICATED,
    ErrorKind.INTERNAL: code_pb2.INTERNAL,
}

_CLASSES: Mapping[int, type[SegueError]] = {
    code_pb2.INVALID_ARGUMENT: errors.InvalidInputError,
    code_pb2.NOT_FOUND: errors.NotFoundError,
    code_pb2.FAILED_PRECONDITION: errors.PreconditionError,
    code_pb2.UNAVAILABLE: errors.StoreError,
    code_pb2.RESOURCE_EXHAUSTED: errors.BusyError,
    code_pb2.DEADLINE_EXCEEDED: errors.DeadlineError,
    code_pb2.CANCELLED: errors.CancelledError,
    code_pb2.UNAUTHENTICATED: errors.AuthenticationError,
}


def encode_error(error: SegueError) -> status_pb2.Status:
    """A status with details, small enough for HTTP/2 headers."""
    status = status_pb2.Status(code=CODES[error.kind], message=_cut(error.message, MAX_MESSAGE))
    metadata = _bounded(error.metadata)
    _add(
        status,
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata),
    )
    if error.kind is ErrorKind.INVALID_ARGUMENT and "field" in metadata:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=metadata["field"], description=_cut(error.message, 200)
        )
        _add(status, error_details_pb2.BadRequest(field_violations=[violation]))
    if error.kind in (ErrorKind.RESOURCE_EXHAUSTED, ErrorKind.UNAVAILABLE):
        delay = retry_delay(error)
        if delay is not None:
            retry = Duration()
            retry.FromMilliseconds(round(1000 * delay))
            _add(status, error_details_pb2.RetryInfo(retry_delay=retry))
    return status


def decode_error(status: status_pb2.Status) -> SegueError | None:
    """The error a service of ours reported, or None if the status is somebody else's."""
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR) and detail.Unpack(info):
            break
    if info.domain != DOMAIN:
        return None
    return error_class(status.code, info.reason)(
        status.message, reason=info.reason, metadata=dict(info.metadata)
    )


def error_class(code: int, reason: str = "") -> type[SegueError]:
    """The class of errors with this status code and reason."""
    if code == code_pb2.INVALID_ARGUMENT and reason.startswith("AUDIO_"):
        return errors.AudioError
    if code == code_pb2.INVALID_ARGUMENT and reason.startswith("VIDEO_"):
        return errors.VideoError
    return _CLASSES.get(code, errors.InternalError)


def retry_delay(error: SegueError) -> float | None:
    """Seconds after which to try again, if the error says so."""
    try:
        return min(max(float(error.metadata[RETRY_AFTER]), 0.0), 3600.0)
    except (KeyError, ValueError):
        return None


def _add(status: status_pb2.Status, detail: object) -> None:
    packed = AnyMessage()
    packed.Pack(detail)  # type: ignore[arg-type]
    status.details.append(packed)


def _cut(text: str, limit: int) -> str:
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    return data[: limit - 3].decode("utf-8", "ignore") + "…"


def _bounded(metadata: Mapping[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    room = MAX_METADATA
    for key, value in metadata.items():
        text = _cut(str(value), 400)
        room -= len(key) + len(text.encode())
        if room < 0:
            break
        kept[key] = text
    return kept
