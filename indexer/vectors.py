"""Vectors of sound files, of vector files and of texts, for use without a library."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from indexer.features_npy import read_features
from indexer.options import IndexOptions
from indexer.pool import WorkerPool
from indexer.report import Failure
from indexer.scan import printable
from indexer.worker import Failed, Prepare, Prepared, Setup
from retrieval.audio import Limits
from retrieval.core.errors import InvalidInputError, SegueError
from retrieval.core.queries import MAX_TEXT_QUERY
from retrieval.core.spaces import DenseVector
from retrieval.encoders.audio_pass import PreparedTrack, forward_tracks
from retrieval.encoders.protocol import AudioEncoder, TextEncoder

_TRACKS = 16
"""Tracks encoded together."""
_GLANCE = 0.2
"""Seconds between looks at whether to stop."""

Vectors = Mapping[str, DenseVector]
"""Of one file, by space."""


def encode_files(
    paths: Sequence[str],
    encoders: Sequence[AudioEncoder],
    *,
    options: IndexOptions,
    done: Callable[[], None],
    stop: threading.Event,
) -> dict[str, Vectors | Failure]:
    """Decode sound files in worker processes, within the bounds of indexing, and encode them.

    Args:
        paths: Each once.
        encoders: Of different spaces.
        options: Workers and bounds.
        done: Called for every file that is dealt with.
        stop: Set it to give up early.

    Returns:
        For each path its vectors, a space that hears only silence being absent, or why there are
        none; if it was stopped, only for some.
    """
    limits = Limits()
    if options.max_duration is not None:
        limits = Limits(max_duration=options.max_duration)
    setup = Setup(tuple(encoders), limits, options.file_timeout, options.spool_from)
    spaces = tuple(encoder.space.name for encoder in encoders)
    results: dict[str, Vectors | Failure] = {}
    todo, ready, numbers = deque(paths), deque[tuple[str, PreparedTrack]](), count()
    at_work: dict[str, Path] = {}
    with (
        tempfile.TemporaryDirectory(prefix="segue-") as folder,
        contextlib.closing(WorkerPool(options.workers, setup)) as pool,
    ):
        while (todo or at_work or ready) and not stop.is_set():
            while todo and pool.free and len(at_work) + len(ready) < _TRACKS + options.workers:
                path = todo.popleft()
                at_work[path] = Path(folder) / str(next(numbers))
                pool.submit(path, Prepare(path, spaces, str(at_work[path])))
            for path, reply in pool.wait([], _GLANCE) if at_work else ():
                spool = at_work.pop(path)
                if isinstance(reply, Prepared):
                    if reply.track.spool is not None:
                        reply.track.spool.adopt()
                    ready.append((path, reply.track))
                    continue
                spool.unlink(missing_ok=True)
                failed = reply if isinstance(reply, Failed) else Failed("INTERNAL", "no answer")
                results[path] = Failure(printable(path), failed.reason, failed.message)
                done()
            if ready and (len(ready) >= _TRACKS or not (at_work or todo)):
                batch = [ready.popleft() for _ in range(min(_TRACKS, len(ready)))]
                for path, result in _forward(batch, encoders):
                    results[path] = result
                    done()
    return results


def _forward(
    batch: Sequence[tuple[str, PreparedTrack]], encoders: Sequence[AudioEncoder]
) -> list[tuple[str, Vectors | Failure]]:
    """The vectors of tracks, encoded together; one that fails is told from the others."""
    try:
        encoded = forward_tracks([track for _, track in batch], encoders)
    except Exception as error:
        if len(batch) > 1:
            return [result for one in batch for result in _forward([one], encoders)]
        path, track = batch[0]
        track.close()
        reason = error.reason if isinstance(error, SegueError) else "ENCODING_FAILED"
        return [(path, Failure(printable(path), reason, f"encoding broke down: {error}"))]
    for _, track in batch:
        track.close()
    paths = [path for path, _ in batch]
    return [(path, track.vectors) for path, track in zip(paths, encoded, strict=True)]


def encode_texts(
    texts: Mapping[str, str], encoders: Sequence[TextEncoder]
) -> dict[str, Vectors | Failure]:
    """The vectors of texts by the names they have; one that says nothing in any space fails."""
    found: dict[str, dict[str, DenseVector]] = {name: {} for name in texts}
    problems: dict[str, Failure] = {}
    for encoder in encoders:
        prepared = {}
        for name, text in texts.items():
            try:
                prepared[name] = encoder.prepare_text(text)
            except InvalidInputError as error:
                problems[name] = Failure(name, error.reason, error.message)
        names = list(prepared)
        for start in range(0, len(names), _TRACKS):
            batch = names[start : start + _TRACKS]
            vectors = encoder.forward_text([prepared[name] for name in batch])
            for name, vector in zip(batch, vectors, strict=True):
                if isinstance(vector, np.ndarray):
                    found[name][encoder.space.name] = vector
    return {name: vectors or problems[name] for name, vectors in found.items()}


def read_text(path: Path) -> str:
    """A text file.

    Raises:
        InvalidInputError: It is not UTF-8, or longer than a query may be.
        OSError: It cannot be read.
    """
    if not path.is_file():
        raise InvalidInputError("not a regular file")
    with path.open("rb") as stream:
        data = stream.read(4 * MAX_TEXT_QUERY + 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"not UTF-8 text: {error.reason}") from error
    if len(text) > MAX_TEXT_QUERY:
        raise InvalidInputError(f"{len(text)} characters; at most {MAX_TEXT_QUERY} are read")
    return text


def read_vector(path: Path) -> DenseVector:
    """The vector of a ``.npy`` file, or the mean of its rows.

    Raises:
        InvalidInputError: As ``features_npy.read_features``.
        OSError: It cannot be read.
    """
    rows = read_features(path).rows
    return np.asarray(rows.mean(axis=0, dtype=np.float64), dtype=np.float32)
