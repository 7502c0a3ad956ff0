"""Decoding of hostile bytes in killable child processes."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from retrieval.audio import wire
from retrieval.audio.children import MIB, Child, Children, LostError
from retrieval.audio.formats import FORMATS
from retrieval.audio.limits import BLOCK_SAMPLES, Limits
from retrieval.audio.sound import Sound
from retrieval.core.closing import Closing
from retrieval.core.errors import AudioError

_DEFAULT = Limits()
# What a child may answer, and the most bytes of it: it has read hostile bytes.
_FIRST = {wire.HEADER: wire.NOTE, wire.ERROR: wire.NOTE}
_THEN = {wire.BLOCK: 4 * BLOCK_SAMPLES, wire.END: wire.NOTE, wire.ERROR: wire.NOTE}
_ENDS = {b"true": True, b"false": False}


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
            sound = self._receive(child, limits, name, deadline)
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

    def _receive(self, child: Child, limits: Limits, name: str, deadline: float) -> Sound:
        _, body = _answer(child, _FIRST, deadline)
        rate, channels, container = _header(body, limits)
        most = 4 * min(self._max_samples, limits.max_duration * rate * channels)
        samples = bytearray()
        while True:
            kind, body = _answer(child, _THEN, deadline)
            if kind == wire.END:
                break
            samples += body
            if len(samples) > most:
                raise ValueError("the child sent more than it may")
        if not samples:
            raise ValueError("the child sent no sound")
        # No copy: the sound lives in the buffer that it was received into.
        frames = np.frombuffer(samples, dtype=np.float32).reshape(-1, channels)
        return Sound(frames, rate, container, name, _ENDS[bytes(body)])


def _answer(child: Child, most: Mapping[int, int], deadline: float) -> tuple[int, bytearray]:
    """The next frame from a child, its errors raised."""
    kind, body = wire.receive(child.socket, most, deadline)
    if kind == wire.ERROR:
        raise wire.problem(body, AudioError)
    return kind, body


def _header(body: bytearray, limits: Limits) -> tuple[int, int, str]:
    """Rate, channels and format, within the limits that the child had to check them by."""
    told = wire.facts(body)
    rate, channels, container = told["sample_rate"], told["channels"], told["format"]
    if not isinstance(rate, int) or not isinstance(channels, int) or container not in FORMATS:
        raise ValueError("the child sent no usable header")
    if not limits.min_sample_rate <= rate <= limits.max_sample_rate:
        raise ValueError("the child told an impossible sample rate")
    if not 1 <= channels <= limits.max_channels:
        raise ValueError("the child told an impossible number of channels")
    return rate, channels, str(container)
