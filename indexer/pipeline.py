"""The run itself: reading in workers, encoding in batches across files, writing, all overlapped.

Every file is settled by exactly one of: a committed change, or a line in the report. While the
sound of one file is on its way into the library, files with the same compressed sound or the same
recording wait for it instead of being decoded or encoded a second time.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from indexer.commit import Change, Committer, Done, Encoded, Put
from indexer.encode import encode
from indexer.held import HeldTracks
from indexer.manifest import Manifest
from indexer.plan import Plan, Planner, Step
from indexer.pool import WorkerPool
from indexer.rows import FileRow
from indexer.tags import REVISION
from indexer.tally import Tally
from indexer.worker import Failed, Prepare, Probe, Probed, Reply
from retrieval.core.payload import PayloadValue
from retrieval.encoders.audio_pass import PreparedTrack
from retrieval.encoders.protocol import AudioEncoder

_LIGHT_BATCH = 256
_GLANCE = 0.2
"""Seconds between looks at whether to stop."""


@dataclass(slots=True, eq=False)
class _Job:
    """One file on its way.

    Attributes:
        plan: What was to be done at first.
        row: As it will be written, once the recording is known.
        digest: Stream digest, once probed.
        tags: From the file, once probed.
        spaces: To be encoded in.
        prepared: What the worker made of it.
        claims: Sounds that other files wait for this one to bring in.
    """

    plan: Plan
    row: FileRow | None = None
    digest: str | None = None
    tags: dict[str, PayloadValue] = field(default_factory=dict)
    spaces: tuple[str, ...] = ()
    prepared: PreparedTrack | None = None
    claims: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return self.plan.file.path


class Pipeline:
    """Settles planned files. Use once."""

    def __init__(
        self,
        *,
        pool: WorkerPool,
        workers: int,
        encoders: tuple[AudioEncoder, ...],
        manifest: Manifest,
        planner: Planner,
        committer: Committer,
        held: HeldTracks,
        tally: Tally,
        batch: int,
        stopped: Callable[[], bool],
    ) -> None:
        """Set up; ``run`` starts the work.

        Args:
            pool: Workers; the caller closes it.
            workers: How many there are.
            encoders: All audio encoders of the run.
            manifest: A connection of this thread's own, to look things up.
            planner: Knows which spaces a recording lacks.
            committer: Used in the writer thread only.
            held: Knows what the library really has.
            tally: Told about every file.
            batch: Tracks to encode and write together at most.
            stopped: Asked whether to end early.
        """
        self._pool, self._encoders, self._manifest = pool, encoders, manifest
        self._planner, self._committer, self._held = planner, committer, held
        self._tally, self._batch, self._stopped = tally, batch, stopped
        self._room = batch + 2 * workers
        self._todo: deque[_Job] = deque()
        self._to_prepare: deque[_Job] = deque()
        self._at_work: dict[str, _Job] = {}
        self._waiting: dict[str, list[_Job]] = {}
        self._to_encode: deque[_Job] = deque()
        self._to_write: deque[tuple[_Job, Put]] = deque()
        self._encoding: Future[list[Encoded | Failed]] | None = None
        self._encoded_jobs: list[_Job] = []
        self._writing: Future[Done] | None = None
        self._in_flight = 0
        self._written: list[tuple[_Job, Put]] = []

    def run(self, plans: Iterable[Plan]) -> bool:
        """Settle every plan.

        Returns:
            Whether it came to the end; False if it was stopped, with all finished work committed.

        Raises:
            SegueError: The library is gone, or a worker cannot start.
        """
        for plan in plans:
            job = _Job(plan, row=plan.row, spaces=plan.spaces)
            if plan.step is Step.WRITE and plan.row is not None:
                self._to_write.append((job, Put(plan.row)))
            else:
                self._todo.append(job)
        ear, bell = multiprocessing.Pipe(duplex=False)
        stopping = False
        with (
            ear,
            bell,
            ThreadPoolExecutor(1, "encode") as encoder,
            ThreadPoolExecutor(1, "write") as writer,
        ):
            while True:
                if not stopping and self._stopped():
                    stopping = True
                    self._abandon()
                self._encoded()
                self._committed()
                self._start_encoding(encoder, bell)
                self._start_writing(writer, bell)
                self._start_reading()
                if not (self._at_work or self._encoding or self._writing):
                    self._give_up_waiting()
                    return not stopping
                for path, reply in self._pool.wait([ear], _GLANCE):
                    self._replied(self._at_work.pop(path), reply)
                while ear.poll():
                    ear.recv_bytes()

    def _abandon(self) -> None:
        """Drop what has not been decoded; the rest is quickly finished."""
        self._pool.close()
        for queue in (self._todo, self._to_prepare, self._at_work, self._waiting):
            queue.clear()
        self._to_write = deque(one for one in self._to_write if one[1].recording is not None)

    # Reading

    def _start_reading(self) -> None:
        while self._pool.free:
            if self._in_flight + len(self._at_work) >= self._room:
                return
            # Started work first: a file is in the page cache right after it was probed.
            if self._to_prepare:
                job = self._to_prepare.popleft()
                self._at_work[job.path] = job
                self._pool.submit(job.path, Prepare(job.path, job.spaces))
            elif self._todo:
                job = self._todo.popleft()
                if job.plan.step is Step.ENCODE:
                    self._settle(job)
                else:
                    self._at_work[job.path] = job
                    self._pool.submit(job.path, Probe(job.path))
            else:
                return

    def _replied(self, job: _Job, reply: Reply) -> None:
        if isinstance(reply, Failed):
            self._fail(job, reply)
        elif isinstance(reply, Probed):
            job.digest, job.tags = reply.stream_digest, reply.tags
            self._settle(job)
        else:
            self._prepared(job, reply)

    def _settle(self, job: _Job) -> None:
        """Find out whether a file's sound has to be decoded, and go on accordingly."""
        if job.row is None and job.digest is not None:
            same_sound = self._manifest.file_with_digest(job.digest)
            if same_sound is not None and self._held.holds(same_sound.track_id):
                job.row = self._row(job, same_sound.track_id, same_sound.format)
        if job.row is not None:
            job.spaces = self._missing_spaces(job.row.track_id)
            if not job.spaces:
                self._to_write.append((job, Put(job.row)))
                return
            claim = f"track {job.row.track_id}"
        else:
            job.spaces = self._planner.missing_spaces(None)
            claim = f"digest {job.digest}" if job.digest is not None else ""
        if self._claim(job, claim):
            self._to_prepare.append(job)

    def _prepared(self, job: _Job, prepared: PreparedTrack) -> None:
        self._tally.decoded(prepared.duration)
        job.row = self._row(job, prepared.track_id, prepared.format)
        missing = self._missing_spaces(prepared.track_id)
        if not missing:
            self._to_write.append((job, Put(job.row)))
        elif not self._claim(job, f"track {prepared.track_id}"):
            pass
        elif not set(missing) <= set(job.spaces):
            # The file has changed under us into another recording, one that lacks more spaces.
            job.spaces = missing
            self._to_prepare.append(job)
        else:
            if prepared.truncated:
                seconds = f"only {prepared.duration:.1f} s of sound could be read"
                self._tally.note(job.path, "AUDIO_DAMAGED", f"the file is damaged; {seconds}")
            job.prepared = prepared
            self._in_flight += 1
            self._to_encode.append(job)

    def _missing_spaces(self, track_id: str) -> tuple[str, ...]:
        known = self._manifest.track(track_id)
        held = known is not None and self._held.holds(track_id)
        return self._planner.missing_spaces(known if held else None)

    def _row(self, job: _Job, track_id: str, format: str) -> FileRow:
        if job.row is not None:
            return replace(job.row, track_id=track_id, format=format)
        file = job.plan.file
        return FileRow(
            path=file.path,
            root=job.plan.root,
            size=file.size,
            mtime_ns=file.mtime_ns,
            stream_digest=job.digest,
            track_id=track_id,
            format=format,
            tags=job.tags,
            tags_revision=REVISION,
            sidecar=job.plan.sidecar,
        )

    # Files with the same sound

    def _claim(self, job: _Job, claim: str) -> bool:
        """Take a sound on behalf of all files that have it, or wait for the one that did."""
        if not claim or claim in job.claims:
            return True
        if claim in self._waiting:
            # Whoever waits for this one waits on.
            self._waiting[claim].append(job)
            return False
        self._waiting[claim] = []
        job.claims.append(claim)
        return True

    def _release(self, job: _Job) -> None:
        claims, job.claims = job.claims, []
        for other in [other for claim in claims for other in self._waiting.pop(claim, ())]:
            self._settle(other)

    def _give_up_waiting(self) -> None:
        """Files that wait for each other, because both changed while they were being read."""
        changed = Failed("FILE_CHANGED", "the file changed while it was read; index it again")
        for job in [job for jobs in self._waiting.values() for job in jobs]:
            self._tally.fail(job.path, changed.reason, changed.message)

    def _fail(self, job: _Job, failed: Failed) -> None:
        self._tally.fail(job.path, failed.reason, failed.message)
        self._release(job)

    # Encoding

    def _start_encoding(self, encoder: ThreadPoolExecutor, bell: Any) -> None:
        if self._encoding is not None or not self._to_encode:
            return
        count = min(self._batch, len(self._to_encode))
        self._encoded_jobs = [self._to_encode.popleft() for _ in range(count)]
        batch = [(job.prepared, job.spaces) for job in self._encoded_jobs if job.prepared]
        self._encoding = encoder.submit(encode, batch, self._encoders)
        self._encoding.add_done_callback(lambda _: _ring(bell))

    def _encoded(self) -> None:
        if self._encoding is None or not self._encoding.done():
            return
        results = self._encoding.result()
        for job, result in zip(self._encoded_jobs, results, strict=True):
            job.prepared = None
            if isinstance(result, Failed):
                self._in_flight -= 1
                self._fail(job, result)
            elif job.row is not None:
                self._to_write.append((job, Put(job.row, result)))
        self._encoding, self._encoded_jobs = None, []

    # Writing

    def _start_writing(self, writer: ThreadPoolExecutor, bell: Any) -> None:
        if self._writing is not None or not self._to_write:
            return
        heavy = 0
        while self._to_write and heavy < self._batch and len(self._written) < _LIGHT_BATCH:
            job, put = self._to_write.popleft()
            heavy += put.recording is not None
            self._written.append((job, put))
        changes: list[Change] = [put for _, put in self._written]
        self._writing = writer.submit(self._committer.apply, changes)
        self._writing.add_done_callback(lambda _: _ring(bell))

    def _committed(self) -> None:
        if self._writing is None or not self._writing.done():
            return
        done = self._writing.result()
        written, self._written, self._writing = self._written, [], None
        for job, put in written:
            self._in_flight -= put.recording is not None
            if job.path in done.refused:
                self._tally.fail(job.path, *done.refused[job.path])
            else:
                self._held.add(put.row.track_id)
                self._tally.settle(job.path, done.outcomes[job.path])
            self._release(job)


def _ring(bell: Any) -> None:
    with contextlib.suppress(OSError):
        bell.send_bytes(b"!")
