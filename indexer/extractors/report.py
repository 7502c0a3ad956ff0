"""What a run of extractors did, model by model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from indexer.extractors.protocol import ExtractorDescription
from indexer.report import Failure


@dataclass(slots=True)
class ModelReport:
    """What one extractor did; words count recordings.

    Attributes:
        description: Of the extractor.
        revision: Empty if it could not be loaded.
        made: Extracted now.
        copied: Known under another name, and copied.
        cached: There already, from this very content and by this revision.
        failed: The rest, one line each.
        unavailable: Why it could not be loaded: reason and message.
        audio_seconds: Length of the sound it worked on.
        seconds: How long it took.
    """

    description: ExtractorDescription
    revision: str = ""
    made: int = 0
    copied: int = 0
    cached: int = 0
    failed: list[Failure] = field(default_factory=list)
    unavailable: tuple[str, str] | None = None
    audio_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def speed(self) -> float:
        """Seconds of sound per second of work."""
        return self.audio_seconds / self.seconds if self.seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """The object of ``segue extract --json``."""
        reason, message = self.unavailable or (None, None)
        return {
            "model": self.description.name,
            "revision": self.revision or None,
            "made": self.made,
            "copied": self.copied,
            "cached": self.cached,
            "failed": [asdict(failure) for failure in self.failed],
            "unavailable": {"reason": reason, "message": message} if reason else None,
            "audio_seconds": round(self.audio_seconds, 3),
            "seconds": round(self.seconds, 3),
            "speed": round(self.speed, 3),
            "licence": self.description.licence,
            "non_commercial": self.description.non_commercial,
            "folders": [output.folder for output in self.description.outputs],
        }


@dataclass(slots=True)
class ExtractReport:
    """What a run did.

    Attributes:
        found: Sound files found.
        models: By the order asked for.
        failed: Paths that could not be looked at.
        seconds: Wall-clock time.
        interrupted: The run was stopped before it reached every file.
    """

    found: int = 0
    models: list[ModelReport] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def clean(self) -> bool:
        """Whether nothing failed and every model was there."""
        return not self.failed and all(not m.failed and not m.unavailable for m in self.models)

    def as_dict(self) -> dict[str, Any]:
        """The object of ``segue extract --json``."""
        return {
            "found": self.found,
            "failed": [asdict(failure) for failure in self.failed],
            "models": [model.as_dict() for model in self.models],
            "seconds": round(self.seconds, 3),
            "interrupted": self.interrupted,
        }
