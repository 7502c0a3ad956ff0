"""madmom: beat activations and chords (Böck et al., ACM MM 2016), in an environment of its own.

madmom 0.16.1 builds only with an old setuptools and Cython and needs NumPy 1, and its models are
CC-BY-NC-SA-4.0: it never shares a process with us.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from indexer.extractors import madmom_child
from indexer.extractors.protocol import Content, Mono
from indexer.features_npy import read_array
from indexer.formats.chord_names import normal_chord
from indexer.formats.chords import ChordSpan, ChordTrack
from retrieval.core.errors import InternalError, InvalidInputError, PreconditionError

RATE = madmom_child.RATE
PIP = (
    "python3.11 -m venv ~/madmom && ~/madmom/bin/pip install 'numpy<2' 'scipy<1.14' 'cython<3' "
    "mido 'setuptools<70' wheel && CYTHON_FORCE_REGEN=1 ~/madmom/bin/pip install "
    "--no-build-isolation --no-deps madmom==0.16.1"
)
"""How such an environment is made."""
_START = 120.0
"""Seconds for the import."""
_LEAST, _PER_SECOND = 120.0, 4.0
"""Seconds for one recording: at least, and per second of it."""
_CHUNK = 1 << 16
_VERSION = 1


class MadmomProcess:
    """One process with madmom in it."""

    def __init__(self, python: Path) -> None:
        """Start it.

        Args:
            python: The interpreter of madmom's environment, or the environment's folder.

        Raises:
            PreconditionError: MODEL_MISSING if there is none, or madmom is not in it.
        """
        python = python / "bin" / "python" if python.is_dir() else python
        if not python.is_file():
            raise _missing(python, f"no Python there; make it with {PIP}")
        script = str(Path(madmom_child.__file__).resolve())
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SEGUE_")}
        for name in ("PYTHONPATH", "PYTHONHOME"):
            environment.pop(name, None)
        self._process = subprocess.Popen(  # noqa: S603 - the user's interpreter, our script
            [str(python), "-I", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            # Away from the terminal, so that Ctrl-C reaches the parent alone.
            start_new_session=True,
        )
        self._buffer = bytearray()
        try:
            self.version = str(self._line(time.monotonic() + _START)["version"])
        except (EOFError, TimeoutError, ValueError, KeyError) as error:
            self.close()
            raise _missing(python, f"madmom is not in it; make it with {PIP}") from error

    def ask(self, task: str, sound: Mono) -> tuple[dict[str, Any], bytes]:
        """Send one recording, and wait for what madmom makes of it.

        Raises:
            InvalidInputError: madmom cannot deal with this recording.
            InternalError: The process is gone or stalled, and has been ended.
        """
        data = np.ascontiguousarray(sound, dtype="<f4").tobytes()
        deadline = time.monotonic() + _LEAST + _PER_SECOND * len(sound) / RATE
        try:
            self._write(json.dumps({"task": task, "bytes": len(data)}).encode() + b"\n", deadline)
            self._write(data, deadline)
            head = self._line(deadline)
            body = self._take(int(head.get("bytes", 0)), deadline)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self.close()
            why = str(error) or type(error).__name__
            raise InternalError(f"the process of madmom broke down: {why}") from error
        if "error" in head:
            raise InvalidInputError(f"madmom: {str(head['error'])[:300]}")
        return head, body

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process; idempotent."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._process.wait()

    def _write(self, data: bytes, deadline: float) -> None:
        assert self._process.stdin is not None  # noqa: S101 - asked for above
        descriptor = self._process.stdin.fileno()
        os.set_blocking(descriptor, False)
        view = memoryview(data)
        while view:
            _, ready, _ = select.select([], [descriptor], [], _left(deadline))
            if ready:
                view = view[os.write(descriptor, view[: 16 * _CHUNK]) :]

    def _line(self, deadline: float) -> dict[str, Any]:
        while (end := self._buffer.find(b"\n")) < 0:
            self._fill(deadline)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        value = json.loads(line)
        if not isinstance(value, dict):
            raise ValueError("no answer of madmom's process")
        return value

    def _take(self, count: int, deadline: float) -> bytes:
        while len(self._buffer) < count:
            self._fill(deadline)
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _fill(self, deadline: float) -> None:
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        descriptor = self._process.stdout.fileno()
        ready, _, _ = select.select([descriptor], [], [], _left(deadline))
        if ready:
            data = os.read(descriptor, _CHUNK)
            if not data:
                raise EOFError("it ended")
            self._buffer += data


class _Madmom:
    """What both extractors share."""

    def __init__(self, weights: Path, *, device: str, task: str) -> None:
        """Start madmom.

        Args:
            weights: The Python of its environment, or the environment's folder.
            device: Of no meaning here: madmom runs on the CPU.
            task: ``beats`` or ``chords``.

        Raises:
            PreconditionError: MODEL_MISSING.
        """
        del device
        self._python, self._task = weights, task
        self._process = MadmomProcess(weights)
        method = repr((_VERSION, task, self._process.version))
        digest = hashlib.sha256(method.encode()).hexdigest()
        self.revision = f"madmom-{task}-{digest[:16]}"

    def close(self) -> None:
        """See ``Extractor``."""
        self._process.close()

    def _ask(self, sound: Mono) -> tuple[dict[str, Any], bytes]:
        if not self._process.alive():
            self._process = MadmomProcess(self._python)
        return self._process.ask(self._task, sound)


class MadmomBeats(_Madmom):
    """Activation of beats, (T,), 0 to 1, at 100 fps."""

    def __init__(self, weights: Path, *, device: str) -> None:
        super().__init__(weights, device=device, task="beats")

    def extract(self, sound: Mono) -> Sequence[Content]:
        """See ``Extractor``."""
        _, body = self._ask(sound)
        return (read_array(body, _check_activation),)


class MadmomChords(_Madmom):
    """Major and minor chords, in tenths of a second."""

    def __init__(self, weights: Path, *, device: str) -> None:
        super().__init__(weights, device=device, task="chords")

    def extract(self, sound: Mono) -> Sequence[Content]:
        """See ``Extractor``."""
        head, _ = self._ask(sound)
        spans = []
        for start, end, label in head.get("chords", ()):
            name = normal_chord(str(label))
            if name is None or not 0.0 <= start < end:
                raise InvalidInputError(f"madmom: {str(label)[:40]!r} is no chord")
            spans.append(ChordSpan(round(float(start), 3), round(float(end), 3), name))
        return (ChordTrack(tuple(spans)),)


def _check_activation(shape: tuple[int, ...]) -> None:
    if len(shape) != 1:
        raise InvalidInputError(f"madmom: an activation of shape {shape}")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    return left


def _missing(path: Path, problem: str) -> PreconditionError:
    return PreconditionError(
        f"{path}: {problem}", reason="MODEL_MISSING", metadata={"path": str(path)}
    )
