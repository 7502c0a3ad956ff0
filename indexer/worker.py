"""What a worker process runs.

It takes one task at a time from its parent, reads or decodes one file, and answers. It holds no
state between tasks, so that killing it loses one file's work at most.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from indexer.describing import Described, Listening
from indexer.hearing import Overhearing, only
from retrieval.audio import AudioReader, Limits, open_audio, stream_digest
from retrieval.core.errors import AudioError, SegueError
from retrieval.core.payload import PayloadValue
from retrieval.describe.protocol import Descriptor
from retrieval.encoders.audio_pass import PreparedTrack, prepare_track
from retrieval.encoders.protocol import AudioEncoder
from retrieval.encoders.spool import Spool

MEMORY = 4 * 1024**3
"""Address space of a worker, in bytes: far above what any acceptable file needs, of any length."""

SPOOL = 64 * 1024**3
"""Largest file of prepared sound: six hours for more than thirty models."""

_NICE = 10

_LIMITS = (
    (resource.RLIMIT_AS, MEMORY),
    (resource.RLIMIT_DATA, MEMORY),
    (resource.RLIMIT_FSIZE, SPOOL),
    (resource.RLIMIT_CORE, 0),
    (resource.RLIMIT_NOFILE, 128),
)


@dataclass(frozen=True, slots=True)
class Probe:
    """Read a file's tags and the digest of its compressed sound; decode nothing."""

    path: str


@dataclass(frozen=True, slots=True)
class Probed:
    """The answer to ``Probe``.

    Attributes:
        stream_digest: None if there is none for this kind of file; decoding may still work.
        tags: Payload fields.
    """

    stream_digest: str | None
    tags: dict[str, PayloadValue]


@dataclass(frozen=True, slots=True)
class Prepare:
    """Decode a file once and prepare its windows for the encoders of these spaces.

    Attributes:
        path: The file.
        spaces: Of the encoders.
        spool: A file to make if there is more than the memory of ``Setup``.
        descriptors: Names of those to describe it by.
    """

    path: str
    spaces: tuple[str, ...]
    spool: str
    descriptors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The answer to ``Prepare``.

    Attributes:
        track: Its windows.
        described: None if no descriptors were asked for.
    """

    track: PreparedTrack
    described: Described | None


@dataclass(frozen=True, slots=True)
class Setup:
    """What a worker is told first.

    Attributes:
        encoders: Every audio encoder of the run.
        limits: Bounds on each file.
        file_timeout: Wall-clock seconds for one task, on top of the seconds of sound it reads.
        spool_from: Bytes of prepared sound of one file to hold in memory at most.
        descriptors: Every descriptor of the run.
    """

    encoders: tuple[AudioEncoder, ...]
    limits: Limits
    file_timeout: float
    spool_from: int
    descriptors: tuple[Descriptor, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """A task that could not be done, and why."""

    reason: str
    message: str


Task = Probe | Prepare
Reply = Probed | Prepared | Failed


def main(arguments: Sequence[str]) -> None:
    """Serve tasks until the parent is gone.

    Args:
        arguments: The file descriptor of the connection to the parent.
    """
    # Ctrl-C is the parent's to handle; the alarm ends a task that hangs, even inside a decoder.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # Decoding is what can wait: threads of a network that share a core with it hold all the others
    # up. Measured on four cores, each with a worker: CLAP took 3.5 s for 80 s of sound, now 1.7 s.
    os.nice(_NICE)
    _limit_resources()
    connection = Connection(int(arguments[0]))
    with contextlib.suppress(EOFError, OSError):
        setup: Setup = pickle.loads(connection.recv_bytes())  # noqa: S301 - from our own parent
        connection.send(None)
        while True:
            task: Task = connection.recv()
            alarm = Alarm(setup.file_timeout)
            reply = _serve(task, setup, alarm)
            alarm.stop()
            connection.send(reply)


class Alarm:
    """Ends this process when a task takes longer than it may."""

    def __init__(self, seconds: float) -> None:
        """Start it.

        Args:
            seconds: Until it goes off.
        """
        self._end = time.monotonic() + seconds
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def heard(self, seconds: float) -> None:
        """Allow as much time more as the sound just read takes to play: hours may take long."""
        self._end += seconds
        signal.setitimer(signal.ITIMER_REAL, max(0.001, self._end - time.monotonic()))

    def stop(self) -> None:
        """The task is done."""
        signal.setitimer(signal.ITIMER_REAL, 0)


def _serve(task: Task, setup: Setup, alarm: Alarm) -> Reply:
    try:
        if isinstance(task, Probe):
            return probe(Path(task.path))
        return _prepare(task, setup, alarm)
    except SegueError as error:
        return Failed(error.reason, error.message)
    except MemoryError:
        return Failed("OUT_OF_MEMORY", "the file needs more memory than a worker may use")
    except OSError as error:
        return Failed("FILE_UNREADABLE", f"cannot be read: {error.strerror or error}")
    except Exception as error:
        return Failed("AUDIO_UNREADABLE", f"decoding broke down: {type(error).__name__}: {error}")


def _prepare(task: Prepare, setup: Setup, alarm: Alarm) -> Prepared:
    encoders = [e for e in setup.encoders if e.space.name in task.spaces]
    descriptors = [one for one in setup.descriptors if one.name in task.descriptors]
    overhearing = Overhearing(setup.encoders, descriptors)
    spool = Spool(Path(task.spool), budget=setup.spool_from)
    try:
        with open_audio(Path(task.path), setup.limits) as reader:
            listening = _listening(descriptors, reader)
            track = prepare_track(
                reader,
                overhearing.among(encoders),
                spool=spool,
                heard=alarm.heard,
                listener=listening,
            )
        spool.seal()
        described = None if listening is None else listening.finish(overhearing.attributes())
        return Prepared(only(track, encoders), described)
    except BaseException:
        spool.close()
        raise


def _listening(descriptors: Sequence[Descriptor], reader: AudioReader) -> Listening | None:
    return Listening(descriptors, reader.sample_rate, reader.channels) if descriptors else None


def probe(path: Path) -> Probed:
    """Tags and stream digest of a file.

    Raises:
        AudioError: AUDIO_EMPTY or AUDIO_UNSUPPORTED: this can never become sound.
    """
    from indexer.tags import read_tags

    digest: str | None = None
    try:
        digest = stream_digest(path)
    except AudioError as error:
        # Another decoder may cope with what the packet reader does not.
        if error.reason != "AUDIO_UNREADABLE":
            raise
    return Probed(digest, read_tags(path))


def _limit_resources() -> None:
    # Where the system knows no such limit (address space on macOS), the others must do.
    for kind, value in _LIMITS:
        with contextlib.suppress(ValueError, OSError):
            _, hard = resource.getrlimit(kind)
            most = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (most, most))


def pickled(setup: Setup) -> bytes:
    """The first message to a worker.

    Raises:
        TypeError: An encoder cannot be sent to another process.
    """
    try:
        data: Any = pickle.dumps(setup)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(f"an encoder cannot be sent to a worker process: {error}") from error
    return bytes(data)
