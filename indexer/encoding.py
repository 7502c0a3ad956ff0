"""The second stage: prepared tracks are encoded in steps, on every device at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from indexer.commit import Encoded
from indexer.devices import Device, DeviceLostError
from indexer.encode import Worked, computed_fields
from indexer.job import Job
from indexer.steps import Step, Track, cut_step
from indexer.worker import Failed
from retrieval.encoders.audio_pass import EncodedTrack
from retrieval.encoders.prepared import PreparedTrack
from retrieval.encoders.protocol import AudioEncoder

_TARGET = 2.0
"""Seconds a step should take: long enough for full batches, short enough for Ctrl-C."""
_LEAST = 20.0
"""Seconds of sound in a step at least, and in the first."""
_AHEAD = 2
"""Steps a device is given: one to do, and one to read meanwhile."""


@dataclass(slots=True, eq=False)
class _Lane:
    """A device, its steps in order, and how much sound it does in ``_TARGET`` seconds."""

    device: Device
    steps: deque[tuple[Step, Future[Worked]]] = field(default_factory=deque)
    budget: float = _LEAST
    used: bool = False


Finished = tuple[Job, Encoded | Failed]


class Encoding:
    """Tracks on their way to vectors.

    Attributes:
        seconds: That devices have been busy, all of them together.
        devices: That had anything to do.
        held: Bytes of prepared sound in memory.
        spooled: Bytes of prepared sound on disk.
        lost: Devices that broke down, and how.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        encoders: Sequence[AudioEncoder],
        *,
        step: float,
        ring: Callable[[], None],
        heard: Callable[[Job, float], None],
    ) -> None:
        """Start nothing yet.

        Args:
            devices: The first is never lost, and steps it has not begun can be cancelled; closed by
                ``close``.
            encoders: All audio encoders of the run.
            step: Seconds of sound in one step at most, counted in every space.
            ring: Called, from any thread, when a step is done.
            heard: Told which share of a long track has been through.
        """
        self._lanes = [_Lane(device, budget=min(_LEAST, step)) for device in devices]
        self._encoders, self._step, self._ring, self._heard = encoders, step, ring, heard
        self._waiting: deque[Track] = deque()
        self._whole: deque[Track] = deque()
        self._finished: list[Finished] = []
        self._tracks = 0
        self._abandoned = False
        self.seconds = 0.0
        self.devices = 0
        self.held = self.spooled = 0
        self.lost: list[tuple[str, str]] = []

    @property
    def busy(self) -> bool:
        """Whether there is anything left to encode."""
        at_work = any(lane.steps for lane in self._lanes)
        return at_work or bool(self._waiting or self._whole or self._finished)

    @property
    def tracks(self) -> int:
        """Tracks that are being encoded or wait for it."""
        return self._tracks

    def add(self, job: Job, prepared: PreparedTrack) -> None:
        """Encode this track in the job's spaces."""
        self._tracks += 1
        self._count(prepared, 1)
        track = Track(job, prepared)
        (self._waiting if track.pending else self._whole).append(track)

    def start(self) -> None:
        """Give every device enough to do, if there is enough."""
        for ahead in range(_AHEAD):
            for lane in self._lanes:
                if len(lane.steps) > ahead:
                    continue
                step = cut_step(self._waiting, self._whole, lane.budget)
                if not (step.parts or step.wholes):
                    return
                future = lane.device.submit(step)
                lane.steps.append((step, future))
                self.devices += not lane.used
                lane.used = True
                future.add_done_callback(lambda _: self._ring())

    def finished(self) -> list[Finished]:
        """The tracks that were finished since the last call."""
        for lane in list(self._lanes):
            while lane.steps and lane.steps[0][1].done():
                step, future = lane.steps[0]
                try:
                    worked = future.result()
                except DeviceLostError as error:
                    self._lose(lane, str(error))
                    break
                lane.steps.popleft()
                self._take(step, worked)
                _adapt(lane, step, worked, most=self._step)
        found, self._finished = self._finished, []
        return found

    def abandon(self) -> None:
        """Finish what is at work and the tracks that are through; drop the rest without a word."""
        self._abandoned = True
        first, *others = self._lanes
        self._lanes = [first]
        for lane in others:
            # It may be at a step, or still loading its networks.
            lane.device.close()
            for step, _ in lane.steps:
                self._return(step)
        for step, future in list(first.steps):
            if future.cancel():
                first.steps.remove((step, future))
                self._return(step)
        for track in self._waiting:
            if not track.out:
                self._settle(track)
        self._waiting.clear()

    def close(self) -> None:
        """End every device."""
        for lane in self._lanes:
            lane.device.close()

    def _take(self, step: Step, worked: Worked) -> None:
        self.seconds += worked.seconds
        for part, rows in zip(step.parts, worked.rows, strict=True):
            track = part.track
            track.out -= 1
            if isinstance(rows, Failed):
                track.failed = track.failed or rows
            else:
                track.rows.setdefault(part.space, {})[part.first] = rows
                track.heard += part.seconds
        for track in dict.fromkeys(part.track for part in step.parts):
            self._settle(track)
        for track, result in zip(step.wholes, worked.tracks, strict=True):
            self._finish(track, result)

    def _settle(self, track: Track) -> None:
        """Go on with a track, none or some of whose windows have been through."""
        track.dropped = track.dropped or (self._abandoned and bool(track.pending))
        if track.failed is not None or track.dropped:
            track.pending.clear()
            if not track.out:
                self._finish(track, track.failed)
        elif track.pending or track.out:
            self._heard(track.job, track.heard / track.seconds)
        else:
            self._whole.append(track)

    def _finish(self, track: Track, result: EncodedTrack | Failed | None) -> None:
        self._tracks -= 1
        self._count(track.prepared, -1)
        track.prepared.close()
        if isinstance(result, EncodedTrack):
            revisions = {e.space.name: e.space.revision for e in self._encoders}
            spaces = {space: revisions[space] for space in track.job.spaces}
            computed = computed_fields(track.prepared, result, self._encoders)
            self._finished.append((track.job, Encoded(result, computed, spaces)))
        elif result is not None:
            self._finished.append((track.job, result))

    def _lose(self, lane: _Lane, message: str) -> None:
        """Go on without a device; what it was at is tried on another one, once."""
        self.lost.append((lane.device.name, message))
        self._lanes.remove(lane)
        lane.device.close()
        steps = [step for step, _ in lane.steps]
        tracks = [t for step in steps for t in (*(p.track for p in step.parts), *step.wholes)]
        for track in dict.fromkeys(tracks):
            if track.retried:
                told = f"device {lane.device.name} and one before it broke down over it: {message}"
                track.failed = Failed("DEVICE_LOST", told)
            track.retried = True
        for step in steps:
            self._return(step)

    def _return(self, step: Step) -> None:
        """Take back a step that was not done."""
        for part in step.parts:
            part.track.out -= 1
            part.track.pending.appendleft((part.space, part.first, part.end))
        for track in dict.fromkeys(part.track for part in step.parts):
            if track.failed is not None or self._abandoned:
                self._settle(track)
            elif track not in self._waiting:
                self._waiting.appendleft(track)
        for track in step.wholes:
            if track.failed is not None:
                self._finish(track, track.failed)
            else:
                self._whole.append(track)

    def _count(self, prepared: PreparedTrack, sign: int) -> None:
        if prepared.spool is None:
            return
        if prepared.spool.on_disk:
            self.spooled += sign * prepared.spool.nbytes
        else:
            self.held += sign * prepared.spool.nbytes


def _adapt(lane: _Lane, step: Step, worked: Worked, *, most: float) -> None:
    """Learn from a full step how much sound the device can do in time."""
    if step.seconds >= lane.budget / 2:
        possible = _TARGET * step.seconds / max(worked.seconds, 1e-6)
        lane.budget = min(most, max(_LEAST, min(possible, 2 * lane.budget)))
