"""Page tokens: where to continue, bound to one request and one library, and signed.

A token is opaque to callers; its signature lets a replica believe a place it did not keep itself.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from hashlib import blake2b
from typing import Any

from retrieval.core.errors import InvalidInputError
from retrieval.core.queries import MAX_OFFSET

_VERSION = b"\x01"
_DIGEST = 16
_LONGEST = 400


class PageTokens:
    """Makes and reads tokens under one key."""

    def __init__(self, key: str | None = None) -> None:
        """Take a key.

        Args:
            key: Shared by replicas; None makes up one that dies with the process.
        """
        secret = key.encode() if key is not None else secrets.token_bytes(32)
        self._key = blake2b(secret, digest_size=32, person=b"segue-pages").digest()

    def make(self, request: Any, library_id: str, position: str) -> str:
        """A token for the place after this answer.

        Args:
            request: The request message; its page size and page token do not count.
            library_id: UUID of the library.
            position: An offset, or the id of the last track.
        """
        body = _VERSION + _fingerprint(request, library_id) + position.encode()
        return _text(body + self._sign(body))

    def read(self, token: str, request: Any, library_id: str) -> str:
        """The position in a token.

        Args:
            token: From the request.
            request: The request message; its page size and page token do not count.
            library_id: UUID of the library.

        Raises:
            InvalidInputError: INVALID_PAGE_TOKEN.
        """
        try:
            padding = "=" * (-len(token) % 4)
            data = base64.b64decode(token[:_LONGEST] + padding, b"-_", validate=True)
        except (ValueError, binascii.Error):
            data = b""
        if _text(data) != token:  # base64 has several spellings of the same bytes
            data = b""
        body, signature = data[:-_DIGEST], data[-_DIGEST:]
        if body[:1] != _VERSION or not hmac.compare_digest(signature, self._sign(body)):
            raise _bad("is not a token of this service, or of before its last start; start over")
        if body[1 : 1 + _DIGEST] != _fingerprint(request, library_id):
            raise _bad("belongs to another request or library; only page_size may change")
        return body[1 + _DIGEST :].decode()

    def read_offset(self, token: str, request: Any, library_id: str) -> int:
        """The offset in a token of a ranked answer; see ``read``.

        Raises:
            InvalidInputError: INVALID_PAGE_TOKEN, also beyond 10000 hits.
        """
        offset = int(self.read(token, request, library_id))
        if offset > MAX_OFFSET:
            raise _bad(f"leads beyond {MAX_OFFSET} hits, where paging ends; narrow the filter")
        return offset

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_DIGEST]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _fingerprint(request: Any, library_id: str) -> bytes:
    token, size = request.page_token, request.page_size
    request.ClearField("page_token")
    request.ClearField("page_size")
    digest = blake2b(digest_size=_DIGEST)
    digest.update(f"{request.DESCRIPTOR.full_name} {library_id} ".encode())
    digest.update(request.SerializeToString(deterministic=True))
    request.page_token, request.page_size = token, size
    return digest.digest()


def _bad(message: str) -> InvalidInputError:
    return InvalidInputError(
        f"page_token {message}", reason="INVALID_PAGE_TOKEN", metadata={"field": "page_token"}
    )
