"""Real encoders that say how often they worked, in any process."""

from __future__ import annotations

import hashlib
import os
import resource
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.core.errors import PreconditionError
from retrieval.core.spaces import DenseVector, Distance, EmbeddingSpace, Level, Modality
from retrieval.encoders.perceptual import PerceptualEncoder
from retrieval.encoders.protocol import Windowing


class Log:
    """Lines from several processes, each written whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, line: str) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, line.encode() + b"\n")
        os.close(descriptor)

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines() if self.path.exists() else []


class CountingPerceptual(PerceptualEncoder):
    """The built-in encoder, with a line in a log for each window it prepares or encodes."""

    def __init__(self, log: Path, *, crash_level: float = 9.0, hang_level: float = 9.0) -> None:
        super().__init__()
        self._arguments = (log, crash_level, hang_level)
        self._log = Log(log)

    def __reduce__(self) -> tuple[object, ...]:
        return (_counting, self._arguments)

    def prepare_audio(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        sound = hashlib.blake2b(window.tobytes(), digest_size=8).hexdigest()
        self._log.write(f"prepare {sound}")
        _, crash_level, hang_level = self._arguments
        level = float(np.abs(window).max())
        if level > crash_level:
            os.abort()
        if level > hang_level:
            self._log.write(f"hang {os.getpid()}")
            time.sleep(60.0)
        return super().prepare_audio(window)

    def forward_audio(self, batch: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        for _ in batch:
            self._log.write("forward")
        return super().forward_audio(batch)


def _counting(log: Path, crash_level: float, hang_level: float) -> CountingPerceptual:
    return CountingPerceptual(log, crash_level=crash_level, hang_level=hang_level)


class BandsEncoder:
    """A second space: the energy in four bands, by window of two seconds."""

    sample_rate = 8_000
    windowing = Windowing(length=2.0, hop=2.0, minimum=0.5)

    def __init__(self, log: Path | None = None) -> None:
        self._path = log
        self._log = Log(log) if log else None
        self.space = EmbeddingSpace(
            name="bands",
            dim=4,
            distance=Distance.COSINE,
            revision="bands-1",
            query_modalities=frozenset({Modality.AUDIO}),
            levels=frozenset({Level.TRACK, Level.SEGMENT}),
            float16=False,
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (BandsEncoder, (self._path,))

    def prepare_audio(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._log:
            self._log.write("bands")
        power = np.abs(np.fft.rfft(window)) ** 2
        bands = [part.sum() for part in np.array_split(power, 4)]
        return np.log1p(np.array(bands)).astype(np.float32) + 0.01

    def forward_audio(self, batch: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.stack(batch)

    def pool(
        self, vectors: NDArray[np.float32], durations: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        return np.average(vectors, axis=0, weights=durations).astype(np.float32)


class SeededEncoder(BandsEncoder):
    """Weights that follow from a seed: another one, another revision."""

    def __init__(self, log: Path, seed: int, dim: int = 6) -> None:
        super().__init__(log)
        self._arguments = (log, seed, dim)
        self._matrix = matrix(seed, dim)
        self.space = replace(
            self.space,
            dim=dim,
            revision=f"bands-{seed}",
            query_modalities=frozenset({Modality.TEXT, Modality.AUDIO}),
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (SeededEncoder, self._arguments)

    def forward_audio(self, batch: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.asarray(super().forward_audio(batch) @ self._matrix)

    def prepare_text(self, text: str) -> str:
        return text

    def forward_text(self, batch: list[str]) -> list[DenseVector]:
        return [self._matrix[len(text) % 4] for text in batch]


def matrix(seed: int, dim: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(4, dim)).astype(np.float32)


class RawEncoder:
    """A third space that does its work in ``forward``: its features are the sound itself.

    It counts as one with networks: it may run on several devices, and says in its log where it
    loaded and what it heard.
    """

    sample_rate = 8_000
    windowing = Windowing(length=2.0, hop=2.0, minimum=0.5)

    def __init__(
        self,
        log: Path,
        *,
        device: str = "here",
        pause: float = 0.0,
        trouble: str = "",
        disk: int = 0,
    ) -> None:
        """Set up.

        Args:
            log: Where to write.
            device: Only told.
            pause: Seconds that one window takes.
            trouble: ``load`` or ``forward`` breaks down on every other device; ``memory``: loud
                sounds need more of it than there is; ``slow``: preparing takes its time.
            disk: Largest file that the process which prepares may write; 0 for any.
        """
        self.log = Log(log)
        self.device, self.pause, self.trouble, self.disk = device, pause, trouble, disk
        self.space = EmbeddingSpace(
            name="raw",
            dim=4,
            distance=Distance.COSINE,
            revision="raw-1",
            query_modalities=frozenset({Modality.AUDIO}),
            levels=frozenset({Level.TRACK, Level.SEGMENT}),
            float16=False,
        )

    def on(self, device: str) -> RawEncoder:
        return RawEncoder(
            self.log.path, device=device, pause=self.pause, trouble=self.trouble, disk=self.disk
        )

    def load(self) -> None:
        self.log.write(f"load {self.device} {os.getpid()}")
        if self.trouble == "load" and self.device != "here":
            raise PreconditionError("out of memory", reason="MODEL_MISSING")

    def prepare_audio(self, window: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.disk:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.disk, self.disk))
        if self.trouble == "slow":
            time.sleep(0.2)
        if self.trouble == "memory" and window.max() > 0.9:
            np.empty(1 << 33, dtype=np.uint8)
        return window.copy()

    def forward_audio(self, batch: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        self.log.write(f"forward {self.device} {len(batch)}")
        if self.trouble == "forward" and self.device != "here":
            os.abort()
        time.sleep(self.pause * len(batch))
        rows = [[np.abs(part).mean() + 0.01 for part in np.array_split(w, 4)] for w in batch]
        return np.array(rows, dtype=np.float32)

    def pool(
        self, vectors: NDArray[np.float32], durations: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        return np.average(vectors, axis=0, weights=durations).astype(np.float32)
