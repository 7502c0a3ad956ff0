"""The one error hierarchy.

::

    SegueError                 kind and reasons
    ├── InvalidInputError      INVALID_ARGUMENT: INVALID_REQUEST, INVALID_FILTER,
    │   │                      INVALID_VECTOR, INVALID_FIELD, INVALID_PAGE_TOKEN,
    │   │                      INVALID_SETTING, INVALID_METADATA, INVALID_LABELS,
    │   │                      INVALID_SERIES, FEATURES_UNREADABLE, FILE_EXISTS
    │   ├── AudioError         INVALID_ARGUMENT: AUDIO_UNSUPPORTED, AUDIO_UNREADABLE,
    │   │                      AUDIO_EMPTY, AUDIO_TOO_LONG, AUDIO_TOO_LARGE, AUDIO_TOO_SHORT,
    │   │                      AUDIO_SILENT, AUDIO_NOT_FINITE, AUDIO_DECODE_TIMEOUT,
    │   │                      CHORDS_MISSING
    │   └── VideoError         INVALID_ARGUMENT: VIDEO_UNSUPPORTED, VIDEO_UNREADABLE,
    │                          VIDEO_EMPTY, VIDEO_NO_PICTURE, VIDEO_TOO_LONG, VIDEO_TOO_LARGE,
    │                          VIDEO_DECODE_TIMEOUT
    ├── NotFoundError          NOT_FOUND: TRACK_NOT_FOUND, SEGMENT_NOT_FOUND, SERIES_NOT_FOUND,
    │                          HUB_NOT_FOUND
    ├── PreconditionError      FAILED_PRECONDITION: SPACE_UNAVAILABLE, REVISION_MISMATCH,
    │                          FEATURE_SET_MISMATCH, LIBRARY_MISSING, MODEL_MISSING, MODEL_INVALID,
    │                          FIELD_TYPE_CONFLICT, TARGET_NOT_EMPTY, UNIMPLEMENTED,
    │                          TOO_FEW_TRACKS, LICENCE_NOT_ACCEPTED, FOLDER_NOT_WRITABLE,
    │                          FILES_MISSING
    ├── StoreError             UNAVAILABLE: STORE_LOCKED, STORE_UNAVAILABLE, STORE_CORRUPT,
    │                          SERVICE_UNAVAILABLE, DISK_FULL
    ├── HubError               UNAVAILABLE: HUB_UNAVAILABLE, HUB_OFFLINE
    ├── BusyError              RESOURCE_EXHAUSTED: QUEUE_FULL, TOO_LARGE, DISK_FULL,
    │                          OUT_OF_MEMORY
    ├── DeadlineError          DEADLINE_EXCEEDED
    ├── CancelledError         CANCELLED
    ├── AuthenticationError    UNAUTHENTICATED
    └── InternalError          INTERNAL

The *kind* alone decides the gRPC status (``retrieval.service``) and the exit code
(``retrieval.cli``); the *reason* is the stable machine-readable code that travels in
``google.rpc.ErrorInfo`` and in ``--json`` reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import ClassVar


class ErrorKind(Enum):
    """What class of failure an error is; names follow the canonical gRPC codes."""

    INVALID_ARGUMENT = "invalid argument"
    NOT_FOUND = "not found"
    FAILED_PRECONDITION = "failed precondition"
    UNAVAILABLE = "unavailable"
    RESOURCE_EXHAUSTED = "resource exhausted"
    DEADLINE_EXCEEDED = "deadline exceeded"
    CANCELLED = "cancelled"
    UNAUTHENTICATED = "unauthenticated"
    INTERNAL = "internal"


class SegueError(Exception):
    """Base of every error Segue raises on purpose.

    Attributes:
        reason: Stable UPPER_SNAKE code, one of those drawn in the module docstring.
        message: One sentence that names the field, file or setting and, if there is one, the fix.
        metadata: Small string pairs for machines (the field, the limit, the spaces there are).
    """

    kind: ClassVar[ErrorKind] = ErrorKind.INTERNAL
    default_reason: ClassVar[str] = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.metadata: dict[str, str] = dict(metadata or {})

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process boundaries (decoder children, the store's owner process).
        return (_rebuild, (type(self), self.message, self.reason, self.metadata))


def _rebuild(
    cls: type[SegueError], message: str, reason: str, metadata: dict[str, str]
) -> SegueError:
    return cls(message, reason=reason, metadata=metadata)


class InvalidInputError(SegueError):
    """The caller sent something that can never work; the message names the field."""

    kind = ErrorKind.INVALID_ARGUMENT
    default_reason = "INVALID_REQUEST"


class AudioError(InvalidInputError):
    """A file or upload that is not usable audio within the limits."""

    default_reason = "AUDIO_UNREADABLE"


class VideoError(InvalidInputError):
    """A file or upload that is not a usable video within the limits."""

    default_reason = "VIDEO_UNREADABLE"


class NotFoundError(SegueError):
    """The named track or segment is not in the library."""

    kind = ErrorKind.NOT_FOUND
    default_reason = "TRACK_NOT_FOUND"


class PreconditionError(SegueError):
    """The request is well formed, but this library or machine is not in the state it needs."""

    kind = ErrorKind.FAILED_PRECONDITION
    default_reason = "SPACE_UNAVAILABLE"


class StoreError(SegueError):
    """The vector store cannot be reached or opened; trying again later may help."""

    kind = ErrorKind.UNAVAILABLE
    default_reason = "STORE_UNAVAILABLE"


class HubError(SegueError):
    """The hub that publishes weights cannot be reached; trying again later may help."""

    kind = ErrorKind.UNAVAILABLE
    default_reason = "HUB_UNAVAILABLE"


class BusyError(SegueError):
    """A bounded queue or size limit is full; retry after a pause."""

    kind = ErrorKind.RESOURCE_EXHAUSTED
    default_reason = "QUEUE_FULL"


class DeadlineError(SegueError):
    """The caller's deadline passed, or is too close for the work to finish."""

    kind = ErrorKind.DEADLINE_EXCEEDED
    default_reason = "DEADLINE_EXCEEDED"


class CancelledError(SegueError):
    """The caller went away before the answer was ready."""

    kind = ErrorKind.CANCELLED
    default_reason = "CANCELLED"


class AuthenticationError(SegueError):
    """The bearer token is missing or wrong."""

    kind = ErrorKind.UNAUTHENTICATED
    default_reason = "UNAUTHENTICATED"


class InternalError(SegueError):
    """A defect of ours: the client sees only an id, the log has the rest."""
