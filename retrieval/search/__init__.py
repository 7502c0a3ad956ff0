"""The query path: validate, plan, encode, search, fuse, group by track, present.

``LocalLibrary`` loads with the first access, so that the filter grammar costs no numerical library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrieval.search.library import LocalLibrary

__all__ = ["LocalLibrary"]


def __getattr__(name: str) -> object:
    if name == "LocalLibrary":
        from retrieval.search.library import LocalLibrary

        return LocalLibrary
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
