"""What an index run did, as one JSON object or in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from indexer.upgrade_report import UpgradeReport


@dataclass(frozen=True, slots=True, order=True)
class Failure:
    """One file, folder or metadata row that could not be used.

    Attributes:
        path: Where.
        reason: Stable UPPER_SNAKE code: those of ``retrieval.core.errors.AudioError`` and
            PATH_NOT_FOUND, NOT_AUDIO, NOT_A_FILE, FILE_UNREADABLE, FILE_CHANGED,
            FOLDER_UNREADABLE, LINK_OUTSIDE, WORKER_CRASHED, OUT_OF_MEMORY, DISK_FULL,
            ENCODING_FAILED, DEVICE_LOST; in notes INVALID_METADATA, AUDIO_DAMAGED,
            DESCRIBING_FAILED, DEVICE_LOST, ROOT_CHANGED and TOO_FEW_TRACKS.
        message: One sentence for a person.
    """

    path: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an index run did.

    Every word but ``removed`` counts files, each file once, so that in a run that was not
    interrupted ``found == indexed + unchanged + updated + duplicates + len(failed)``.

    Attributes:
        found: Audio files found, and whatever else had to be refused (a missing path, a folder that
            cannot be read, a link that leads out); an interrupted run did not reach all of them.
        indexed: New files whose recording was encoded and written.
        unchanged: Files the library already had just so.
        updated: Known files that were retagged, replaced by other sound, given other metadata,
            encoded in one more space or described anew; and files that were moved or renamed.
        removed: Recordings taken out of the library because no file is left for them: their files
            are gone (only with ``prune``) or hold other sound now.
        duplicates: New files whose recording the library already had from another file that is
            still there; the track gets one more path.
        failed: The rest, one line each, by path.
        seconds: Wall-clock time of the run.
        notes: What is worth knowing but failed no file: rows and cells of the metadata file that
            could not be used (INVALID_METADATA), damaged files of which only a part could be read
            (AUDIO_DAMAGED), descriptors that broke down over a file (DESCRIBING_FAILED), folders
            that look like a drive is missing (ROOT_CHANGED), and devices that broke down
            (DEVICE_LOST).
        interrupted: The run was stopped before it reached every file.
        audio_seconds: Length of the sound that was decoded.
        encoder_seconds: How long devices were busy encoding it, all of them together.
        encoder_share: The same as a share of the time from the first file to the last, on every
            device that had something to do: 0 to 1.
        upgrade: What became of spaces of another revision, if that was asked for and done.
    """

    found: int = 0
    indexed: int = 0
    unchanged: int = 0
    updated: int = 0
    removed: int = 0
    duplicates: int = 0
    failed: tuple[Failure, ...] = ()
    seconds: float = 0.0
    notes: tuple[Failure, ...] = ()
    interrupted: bool = False
    audio_seconds: float = 0.0
    encoder_seconds: float = 0.0
    encoder_share: float = 0.0
    upgrade: UpgradeReport | None = None

    @property
    def speed(self) -> float:
        """Seconds of sound per second of the run."""
        return self.audio_seconds / self.seconds if self.seconds > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of ``segue index --json``."""
        return {
            "found": self.found,
            "indexed": self.indexed,
            "unchanged": self.unchanged,
            "updated": self.updated,
            "removed": self.removed,
            "duplicates": self.duplicates,
            "failed": [
                {"path": f.path, "reason": f.reason, "message": f.message} for f in self.failed
            ],
            "seconds": round(self.seconds, 3),
            "audio_seconds": round(self.audio_seconds, 3),
            "speed": round(self.speed, 3),
            "encoder_seconds": round(self.encoder_seconds, 3),
            "encoder_share": round(self.encoder_share, 4),
            **({} if self.upgrade is None else {"upgrade": self.upgrade.as_dict()}),
        }

    def in_words(self) -> str:
        """A summary in one or two sentences."""
        parts = [
            f"{count} {word}"
            for count, word in (
                (self.indexed, "indexed"),
                (self.unchanged, "unchanged"),
                (self.updated, "updated"),
                (self.duplicates, "duplicate" if self.duplicates == 1 else "duplicates"),
                (len(self.failed), "failed"),
            )
            if count
        ]
        files = "1 audio file" if self.found == 1 else f"{self.found} audio files"
        words = f"Found {files} in {_duration(self.seconds)}"
        words += f": {', '.join(parts)}." if parts else "."
        if self.audio_seconds:
            words += f" {_duration(self.audio_seconds)} of sound, {self.speed:.0f} times real time"
            # Some encoders do all their work while a file is prepared.
            busy = f", encoders busy {self.encoder_share:.0%}" if self.encoder_share > 0.005 else ""
            words += f"{busy}."
        if self.removed:
            tracks = "1 recording" if self.removed == 1 else f"{self.removed} recordings"
            words += f" Took {tracks} out of the library."
        if self.upgrade is not None:
            words += self.upgrade.in_words()
        if self.notes:
            count = len(self.notes)
            words += " There is 1 note." if count == 1 else f" There are {count} notes."
        if self.interrupted:
            words += " Stopped early: all finished work is kept; run the same command to go on."
        return words


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
