"""The gRPC service. ``serve`` runs one until it is told to stop; ``Service`` is the object inside.

Both load on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.service.process import serve
    from retrieval.service.server import Service

__all__ = ["Service", "serve"]


def __getattr__(name: str) -> object:
    if name == "serve":
        from retrieval.service.process import serve

        return serve
    if name == "Service":
        from retrieval.service.server import Service

        return Service
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
