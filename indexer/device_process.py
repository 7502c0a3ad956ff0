"""What the process of a further device runs: one step after the other, the next one received."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from indexer.encode import Work, encode
from retrieval.core.errors import InternalError, SegueError
from retrieval.encoders.protocol import AudioEncoder, MovableEncoder


def main(arguments: Sequence[str]) -> None:
    """Serve steps until the parent is gone.

    Args:
        arguments: The file descriptor of the connection to the parent.
    """
    # Ctrl-C is the parent's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection: Connection[Any, Any] = Connection(int(arguments[0]))
    encoders: list[AudioEncoder] = pickle.loads(connection.recv_bytes())  # noqa: S301 - our parent
    failure = _load(encoders)
    connection.send(failure)
    if failure is not None:
        return
    steps: queue.Queue[Work] = queue.Queue(maxsize=1)
    threading.Thread(target=_receive, args=(connection, steps), daemon=True).start()
    while True:
        connection.send(encode(steps.get(), encoders))


def _load(encoders: Sequence[AudioEncoder]) -> SegueError | None:
    try:
        for encoder in encoders:
            if isinstance(encoder, MovableEncoder):
                encoder.load()
    except SegueError as error:
        return error
    except Exception as error:
        return InternalError(f"its model cannot be loaded: {type(error).__name__}: {error}")
    return None


def _receive(connection: Connection[Any, Any], steps: queue.Queue[Work]) -> None:
    try:
        while True:
            steps.put(connection.recv())
    except (EOFError, OSError):
        # The parent is gone, and nobody wants what is at work.
        os._exit(0)
