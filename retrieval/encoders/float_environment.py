"""Numbers next to zero: as zero while networks run, and as they are for everybody else.

ONNX Runtime's first session with ``session.set_denormal_as_zero`` sets it for the thread that makes
it, for good, and threads made by that one inherit it: all floats of the process would change.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_SIZE = 256
"""Bytes, more than any platform's ``fenv_t`` takes."""


class FloatEnvironment:
    """How a thread computes with floats, kept and set again by C99's ``<fenv.h>``.

    Where the C library cannot be asked, nothing is kept and nothing set.
    """

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self._inside: ctypes.Array[ctypes.c_char] | None = None

    @contextmanager
    def learn(self) -> Iterator[None]:
        """What is set inside is undone behind, and kept for ``use`` the first time."""
        before = self._get()
        try:
            yield
        finally:
            self._inside = self._inside or self._get()
            self._set(before)

    @contextmanager
    def use(self) -> Iterator[None]:
        """What was learned holds inside, in this thread."""
        before = self._get()
        self._set(self._inside)
        try:
            yield
        finally:
            self._set(before)

    def _get(self) -> ctypes.Array[ctypes.c_char] | None:
        kept = ctypes.create_string_buffer(_SIZE)
        try:
            return kept if self._library.fegetenv(kept) == 0 else None
        except AttributeError:
            return None

    def _set(self, kept: ctypes.Array[ctypes.c_char] | None) -> None:
        if kept is not None:
            self._library.fesetenv(kept)
