"""A service as a child process, for the demo and the benchmarks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from retrieval.core.errors import StoreError

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class ChildService:
    """``segue serve`` on a free port of this machine, for as long as the context lasts.

    The environment's ``SEGUE_…`` settings are not passed on: the child serves just this library.

    Attributes:
        address: ``host:port``, once entered.
        exit_code: Of the child, once left; 0 if it stopped cleanly when told to.
        log: The lines that the child has written.
    """

    def __init__(self, data: Path, library: str, settings: Mapping[str, str] | None = None) -> None:
        """Describe the service.

        Args:
            data: Folder of the library.
            library: Its name.
            settings: More settings, by the names of their environment variables.
        """
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SEGUE_")}
        self._environment = {**kept, **(settings or {}), "SEGUE_LOG_LEVEL": "info"}
        serve = ["serve", "--address", "127.0.0.1:0", "--data", str(data), "--library", library]
        self._command = [sys.executable, "-m", "retrieval.cli", *serve]
        self._child: subprocess.Popen[str] | None = None
        self._ready = threading.Event()
        self.address = ""
        self.exit_code: int | None = None
        self.log: list[str] = []

    def __enter__(self) -> Self:
        """Start, and wait until the service answers.

        Raises:
            StoreError: If it ends, or is not ready within a minute; says what it logged.
        """
        # In a session of its own, so that Ctrl-C reaches it through us and once only.
        self._child = child = subprocess.Popen(  # noqa: S603  (our own command line)
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert child.stderr is not None  # noqa: S101  (asked for above)
        threading.Thread(target=self._read, args=(child.stderr,), daemon=True).start()
        self._ready.wait(START_SECONDS)
        if not self.address:
            self.stop()
            said = "\n".join(self.log[-20:])
            raise StoreError(f"the service did not start (exit code {self.exit_code}):\n{said}")
        return self

    def _read(self, lines: IO[str]) -> None:
        for line in lines:
            self.log.append(line.rstrip())
            if not self.address and '"listening"' in line:
                self.address = f"127.0.0.1:{json.loads(line)['port']}"
                self._ready.set()
        self._ready.set()

    def stop(self) -> None:
        """Tell the service to finish and wait for its end; kill it if it does not come."""
        if self._child is None or self.exit_code is not None:
            return
        self._child.send_signal(signal.SIGTERM)
        try:
            self.exit_code = self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self.exit_code = self._child.wait()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
