"""The Python client: ``Client`` and ``AsyncClient``, domain types in and out.

It imports neither models nor engines nor decoders; the classes load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.client.asynchronous import AsyncClient
    from retrieval.client.client import Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> object:
    if name == "Client":
        from retrieval.client.client import Client

        return Client
    if name == "AsyncClient":
        from retrieval.client.asynchronous import AsyncClient

        return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
