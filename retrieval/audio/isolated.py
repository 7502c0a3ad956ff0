"""Decoding of hostile bytes in killable child processes."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict

import numpy as np

from retrieval.audio import wire
from retrieval.audio.children import MIB, Child, Children, LostError
from retrieval.audio.formats import FORMATS
from retrieval.audio.limits import Limits
from retrieval.audio.sound import Sound
from retrieval.core.closing import Closing
from retrieval.core.errors import AudioError

_DEFAULT = Limits()


class IsolatedDecoder(Closing):
    """Decodes whole files in child processes that can do no harm and are killed when they stall.

    A child has bounds on memory and processor time, no secrets in its environment, and serves one
    file after the other; one that crashes or overruns is replaced for the next file. Safe to call
    from many threads: each child serves one at a time. A context manager; children also end with
    this process, however it ends.
    """

    def __init__(
        self,
        *,
        children: int = 2,
        timeout: float = 30.0,
        memory: int = 1536 * MIB,
        max_samples: int = 64 * MIB,
    ) -> None:
        """Children start with the first file, or with ``start``.

        Args:
            children: Files decoded at the same time.
            timeout: Wall time and processor time of one file, in seconds.
            memory: Address space of one child, in bytes.
            max_samples: Frames times channels that one sound may hold in memory.
        """
        self._timeout = timeout
        self._max_samples = max_samples
        self._children = Children(
            "retrieval.audio.child",
            most=children,
            memory=memory,
            patience=timeout,
            what="audio decoder",
        )

    def start(self) -> None:
        """Start one child ahead of the first file."""
        self._children.start()

    def decode(self, data: bytes, limits: Limits = _DEFAULT, *, name: str = "audio") -> Sound:
        """Decode one whole file.

        Raises:
            AudioError: As ``open_audio`` and its ``blocks`` do; AUDIO_DECODE_TIMEOUT if the time
                runs out, AUDIO_TOO_LARGE if the sound or the decoder needs more memory than
                allowed, AUDIO_UNREADABLE if the decoder crashes.
            BusyError: QUEUE_FULL if no child gets free in time.
        """
        with self._children.turn():
            with contextlib.suppress(LostError):
                return self._attempt(data, limits, name)
            # The child may have died before it ever saw the file: that is no fault of the file.
            try:
                return self._attempt(data, limits, name)
            except LostError as error:
                raise AudioError(f"{name}: the decoder broke down on this file") from error

    def close(self) -> None:
        """Kill and reap every child, also those at work; idempotent."""
        self._children.close()

    def _attempt(self, data: bytes, limits: Limits, name: str) -> Sound:
        with self._children.lend() as child:
            return self._exchange(child, data, limits, name)

    def _exchange(self, child: Child, data: bytes, limits: Limits, name: str) -> Sound:
        deadline = time.monotonic() + self._timeout
        child.sound = False
        job = {
            "name": name,
            "limits": asdict(limits),
            "cpu": self._timeout,
            "samples": self._max_samples,
        }
        try:
            wire.send(child.socket, wire.JOB, json.dumps(job).encode(), deadline)
            wire.send(child.socket, wire.DATA, data, deadline)
            sound = self._receive(child, name, deadline)
        except TimeoutError:
            raise AudioError(
                f"{name}: decoding took more than {self._timeout:g} s",
                reason="AUDIO_DECODE_TIMEOUT",
            ) from None
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise LostError from error
        except AudioError:
            child.sound = True
            raise
        child.sound = True
        return sound

    def _receive(self, child: Child, name: str, deadline: float) -> Sound:
        header: dict[str, object] = {}
        samples = bytearray()
        while True:
            kind, body = wire.receive(child.socket, deadline)
            if kind == wire.HEADER:
                header = json.loads(body)
            elif kind == wire.BLOCK:
                samples += body
                if len(samples) > 4 * self._max_samples:
                    raise ValueError("the child sent more than it may")
            elif kind == wire.ERROR:
                error = json.loads(body)
                raise AudioError(
                    str(error["message"]),
                    reason=str(error["reason"]),
                    metadata={str(k): str(v) for k, v in error["metadata"].items()},
                )
            else:
                return _sound(header, samples, name, truncated=bool(json.loads(body)))


def _sound(header: dict[str, object], samples: bytearray, name: str, *, truncated: bool) -> Sound:
    rate, channels, kind = header["sample_rate"], header["channels"], header["format"]
    if not isinstance(rate, int) or not isinstance(channels, int) or kind not in FORMATS:
        raise ValueError("the child sent no usable header")
    # No copy: the sound lives in the buffer that it was received into.
    frames = np.frombuffer(samples, dtype=np.float32).reshape(-1, channels)
    return Sound(frames, rate, str(kind), name, truncated)
