"""Counts what becomes of each file, and tells whoever watches."""

from __future__ import annotations

import time
from collections import Counter

from indexer.commit import Outcome
from indexer.progress import Callback, Progress, Stage
from indexer.report import Failure, IndexReport
from indexer.scan import printable
from indexer.upgrade_report import UpgradeReport

_TELL_EVERY = 0.05


class Tally:
    """One index run in numbers."""

    def __init__(self, progress: Callback | None) -> None:
        self._progress = progress
        self._began = time.monotonic()
        self._work_began = self._began
        self._told = 0.0
        self._outcomes: Counter[Outcome] = Counter()
        self._failed: list[Failure] = []
        self._notes: list[Failure] = []
        self._sizes: dict[str, int] = {}
        self._bytes_total = 0
        self._bytes_done = 0
        self._shares: dict[str, float] = {}
        self._audio_seconds = 0.0
        self._encoder_seconds = 0.0
        self._devices = 0
        self._work_seconds = 0.0
        self._found = 0
        self._stage = Stage.SCAN
        self.removed = 0
        self.upgrade: UpgradeReport | None = None

    def scanning(self, found: int) -> None:
        """So many files were found so far."""
        self._found = found
        self._tell()

    def begin(self, found: int, failures: list[Failure], notes: tuple[Failure, ...] = ()) -> None:
        """The scan is over: files found, and what had to be refused."""
        self._found = found + len(failures)
        self._failed.extend(failures)
        self._notes.extend(notes)
        self._stage = Stage.INDEX

    def will_read(self, sizes: dict[str, int]) -> None:
        """These files have to be read; sizes in bytes by path."""
        self._sizes = dict(sizes)
        self._bytes_total = sum(sizes.values())
        self._work_began = time.monotonic()
        self._tell(force=True)

    def decoded(self, seconds: float) -> None:
        """So much sound was decoded."""
        self._audio_seconds += seconds

    def heard(self, path: str, share: float) -> None:
        """So much of a long file, 0 to 1, has been encoded."""
        self._shares[path] = share
        self._tell()

    def encoded(self, seconds: float, devices: int) -> None:
        """The reading is over, and so many devices were busy for so long, all together."""
        self._encoder_seconds, self._devices = seconds, devices
        self._work_seconds = time.monotonic() - self._work_began

    def settle(self, path: str, outcome: Outcome) -> None:
        """A file is dealt with."""
        self._outcomes[outcome] += 1
        self._settled(path)

    def fail(self, path: str, reason: str, message: str) -> None:
        """A file could not be dealt with."""
        self._failed.append(Failure(printable(path), reason, _one_line(message)))
        self._settled(path)

    def note(self, path: str, reason: str, message: str) -> None:
        """Something worth knowing that failed no file."""
        self._notes.append(Failure(printable(path), reason, _one_line(message)))

    def finishing(self) -> None:
        """All files are dealt with."""
        self._stage = Stage.FINISH
        self._tell(force=True)

    def report(self, *, interrupted: bool) -> IndexReport:
        """The report of the run up to now."""
        return IndexReport(
            found=self._found,
            indexed=self._outcomes[Outcome.INDEXED],
            unchanged=self._outcomes[Outcome.UNCHANGED],
            updated=self._outcomes[Outcome.UPDATED],
            removed=self.removed,
            duplicates=self._outcomes[Outcome.DUPLICATE],
            failed=tuple(sorted(self._failed)),
            seconds=time.monotonic() - self._began,
            notes=tuple(self._notes),
            interrupted=interrupted,
            audio_seconds=self._audio_seconds,
            encoder_seconds=self._encoder_seconds,
            encoder_share=self._encoder_seconds / max(1e-9, self._devices * self._work_seconds),
            upgrade=self.upgrade,
        )

    def _settled(self, path: str) -> None:
        size = self._sizes.pop(path, None)
        self._shares.pop(path, None)
        self._bytes_done += size or 0
        # A file that was read took its time; the many that need not be read are told in passing.
        self._tell(path, force=size is not None)

    def _tell(self, path: str = "", *, force: bool = False) -> None:
        now = time.monotonic()
        done = sum(self._outcomes.values()) + len(self._failed)
        scanning = self._stage is Stage.SCAN
        last = done == self._found and not scanning
        if self._progress is None or not (force or last or now - self._told >= _TELL_EVERY):
            return
        self._told = now
        partly = sum(share * self._sizes.get(path, 0) for path, share in self._shares.items())
        self._progress(
            Progress(
                stage=self._stage,
                total=0 if scanning else self._found,
                done=self._found if scanning else done,
                failed=len(self._failed),
                audio_seconds=self._audio_seconds,
                elapsed=now - self._began,
                bytes_total=self._bytes_total,
                bytes_done=self._bytes_done + round(partly),
                work_seconds=now - self._work_began,
                path=printable(path),
            )
        )


def _one_line(message: str) -> str:
    # Messages may quote what a hostile file says.
    text = message.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() else " " for c in text)[:500]
