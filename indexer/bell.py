"""How other threads wake the one that waits for worker processes."""

from __future__ import annotations

import contextlib
import multiprocessing


class Bell:
    """Rung in any thread, heard in one.

    Attributes:
        ear: The connection to wait for.
    """

    def __init__(self) -> None:
        self.ear, self._hand = multiprocessing.Pipe(duplex=False)

    def ring(self) -> None:
        """Wake whoever listens."""
        with contextlib.suppress(OSError):
            self._hand.send_bytes(b"!")

    def silence(self) -> None:
        """Forget all rings up to now."""
        while self.ear.poll():
            self.ear.recv_bytes()

    def close(self) -> None:
        """Let go of the connection."""
        self._hand.close()
        self.ear.close()
