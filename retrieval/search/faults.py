"""Bad input, and the field of the request it was found in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from retrieval.core.errors import InvalidInputError


@contextmanager
def at_fault(field: str) -> Iterator[None]:
    """Name the field of the request that bad input inside was found in.

    Args:
        field: Its path, as in ``queries[0].text``; put before the message if it is not there.
    """
    try:
        yield
    except InvalidInputError as error:
        raise located(error, field) from error


def located(error: InvalidInputError, field: str) -> InvalidInputError:
    """The error with the field of the request it is about in its message and metadata."""
    last = field.rpartition(".")[2]
    message = error.message
    if not message.startswith(field):
        message = f"{field}: {message.removeprefix(f'{last}: ')}"
    return type(error)(message, reason=error.reason, metadata={**error.metadata, "field": field})
