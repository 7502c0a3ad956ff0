"""The run itself: reading in workers, encoding in steps across files, writing, all overlapped.

Every file is settled by exactly one of: a committed change, or a line in the report. While the
sound of one file is on its way into the library, files with the same compressed sound or the same
recording wait for it instead of being decoded or encoded a second time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from indexer.bell import Bell
from indexer.claims import Claims
from indexer.commit import Encoded, Put
from indexer.encoding import Encoding
from indexer.held import HeldTracks
from indexer.job import Job
from indexer.manifest import Manifest
from indexer.plan import Plan, Planner, Step
from indexer.reading import Reading
from indexer.room import Room
from indexer.rows import FileRow
from indexer.tags import REVISION
from indexer.tally import Tally
from indexer.worker import Failed, Probed, Reply
from indexer.writing import Writing
from retrieval.encoders.audio_pass import PreparedTrack

_GLANCE = 0.2
"""Seconds between looks at whether to stop."""


class Pipeline:
    """Settles planned files. Use once."""

    def __init__(
        self,
        *,
        reading: Reading,
        encoding: Encoding,
        writing: Writing,
        room: Room,
        bell: Bell,
        manifest: Manifest,
        planner: Planner,
        held: HeldTracks,
        tally: Tally,
        stopped: Callable[[], bool],
    ) -> None:
        """Set up; ``run`` starts the work.

        Args:
            reading: The first stage; the caller closes all three.
            encoding: The second.
            writing: The third.
            room: Bounds what is under way.
            bell: Rung by the stages when there is something to look at.
            manifest: A connection of this thread's own, to look things up.
            planner: Knows which spaces a recording lacks.
            held: Knows what the library really has.
            tally: Told about every file.
            stopped: Asked whether to end early.
        """
        self._reading, self._encoding, self._writing = reading, encoding, writing
        self._room, self._bell, self._manifest = room, bell, manifest
        self._planner, self._held, self._tally, self._stopped = planner, held, tally, stopped
        self._todo: deque[Job] = deque()
        self._claims = Claims()

    def run(self, plans: Iterable[Plan]) -> bool:
        """Settle every plan.

        Returns:
            Whether it came to the end; False if it was stopped, with all finished work committed.

        Raises:
            SegueError: The library is gone, or a worker cannot start.
        """
        for plan in plans:
            job = Job(plan, row=plan.row, spaces=plan.spaces, descriptors=plan.descriptors)
            if plan.step is Step.WRITE and plan.row is not None:
                self._writing.add(job, Put(plan.row))
            else:
                self._todo.append(job)
        stopping = False
        while True:
            if not stopping and self._stopped():
                stopping = True
                self._abandon()
            self._encoded()
            self._committed()
            self._encoding.start()
            self._writing.start()
            self._start_reading()
            if not (self._reading.at_work or self._encoding.busy or self._writing.busy):
                self._give_up_waiting()
                return not stopping
            for job, reply in self._reading.wait([self._bell.ear], _GLANCE):
                self._replied(job, reply)
            self._bell.silence()

    def _abandon(self) -> None:
        """Drop what is not encoded; the rest is quickly finished."""
        self._todo.clear()
        self._reading.abandon()
        self._encoding.abandon()
        self._writing.abandon()
        self._claims.drop()

    # Reading

    def _start_reading(self) -> None:
        while self._reading.free and self._room.for_another(
            self._reading, self._encoding, self._writing
        ):
            # Started work first: a file is in the page cache right after it was probed.
            if self._reading.start_preparing():
                continue
            if not self._todo:
                return
            job = self._todo.popleft()
            if job.plan.step is Step.ENCODE:
                self._settle(job)
            else:
                self._reading.start_probing(job)

    def _replied(self, job: Job, reply: Reply) -> None:
        if isinstance(reply, Failed):
            self._fail(job, reply)
        elif isinstance(reply, Probed):
            job.digest, job.tags = reply.stream_digest, reply.tags
            self._settle(job)
        else:
            job.described = reply.described
            self._prepared(job, reply.track)

    def _settle(self, job: Job) -> None:
        """Find out whether a file's sound has to be decoded, and go on accordingly."""
        if job.row is None and job.digest is not None:
            same_sound = self._manifest.file_with_digest(job.digest)
            if same_sound is not None and self._held.holds(same_sound.track_id):
                job.row = self._row(job, same_sound.track_id, same_sound.format)
        if job.row is not None:
            job.spaces, job.descriptors = self._missing(job.row.track_id)
            if not (job.spaces or job.descriptors):
                self._writing.add(job, Put(job.row))
                return
            claim = f"track {job.row.track_id}"
        else:
            job.spaces = self._planner.missing_spaces(None)
            job.descriptors = self._planner.missing_descriptors(None)
            claim = f"digest {job.digest}" if job.digest is not None else ""
        if self._claims.take(job, claim):
            self._reading.prepare(job)

    def _prepared(self, job: Job, prepared: PreparedTrack) -> None:
        self._tally.decoded(prepared.duration)
        job.row = self._row(job, prepared.track_id, prepared.format)
        missing, untold = self._missing(prepared.track_id)
        # Without an audio encoder a new recording still is one: words and imported vectors find it.
        to_encode = bool(missing) or not self._is_known(prepared.track_id)
        wanted = to_encode or bool(untold)
        claimed = wanted and self._claims.take(job, f"track {prepared.track_id}")
        if claimed and set(missing) <= set(job.spaces) and set(untold) <= set(job.descriptors):
            self._note(job, prepared)
            if to_encode:
                self._encoding.add(job, prepared)
                return
            self._writing.add(job, Put(job.row, described=job.described))
        elif not wanted:
            self._writing.add(job, Put(job.row))
        elif claimed:
            # The file has changed under us into another recording, one that lacks more.
            job.spaces, job.descriptors = missing, untold
            self._reading.prepare(job)
        prepared.close()

    def _note(self, job: Job, prepared: PreparedTrack) -> None:
        if prepared.truncated:
            seconds = f"only {prepared.duration:.1f} s of sound could be read"
            self._tally.note(job.path, "AUDIO_DAMAGED", f"the file is damaged; {seconds}")
        for problem in () if job.described is None else job.described.problems:
            self._tally.note(job.path, "DESCRIBING_FAILED", problem)

    def _missing(self, track_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Spaces and descriptors that a recording lacks."""
        known = self._manifest.track(track_id) if self._is_known(track_id) else None
        return self._planner.missing_spaces(known), self._planner.missing_descriptors(known)

    def _is_known(self, track_id: str) -> bool:
        return self._manifest.track(track_id) is not None and self._held.holds(track_id)

    def _row(self, job: Job, track_id: str, format: str) -> FileRow:
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

    # Results

    def _encoded(self) -> None:
        for job, result in self._encoding.finished():
            if isinstance(result, Encoded) and job.row is not None:
                self._writing.add(job, Put(job.row, result, job.described))
            elif isinstance(result, Failed):
                self._fail(job, result)
        while self._encoding.lost:
            device, message = self._encoding.lost.pop()
            told = f"given up for the rest of the run: {message}"
            self._tally.note(f"device {device}", "DEVICE_LOST", told)

    def _committed(self) -> None:
        finished = self._writing.finished()
        if finished is None:
            return
        written, done = finished
        for job, put in written:
            if job.path in done.refused:
                self._tally.fail(job.path, *done.refused[job.path])
            else:
                self._held.add(put.row.track_id)
                self._tally.settle(job.path, done.outcomes[job.path])
            self._release(job)

    def _fail(self, job: Job, failed: Failed) -> None:
        self._tally.fail(job.path, failed.reason, failed.message)
        self._release(job)

    def _release(self, job: Job) -> None:
        for other in self._claims.release(job):
            self._settle(other)

    def _give_up_waiting(self) -> None:
        """Files that wait for each other, because both changed while they were being read."""
        changed = Failed("FILE_CHANGED", "the file changed while it was read; index it again")
        for job in self._claims.drop():
            self._tally.fail(job.path, changed.reason, changed.message)
