"""What is left of a file once it has been decoded: its windows, in memory or on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

from retrieval.core.tracks import Span
from retrieval.encoders.protocol import PreparedWindow
from retrieval.encoders.spool import Spool

Finisher = Callable[[Any], Any]
"""What is still to be done to the features of each window; picklable."""


class PreparedWindows(Sequence[PreparedWindow]):
    """The windows of one track in one space; features are fetched when they are asked for."""

    def __init__(
        self,
        outline: tuple[PreparedWindow, ...],
        features: Sequence[Any],
        spool: Spool | None = None,
        finisher: Finisher | None = None,
    ) -> None:
        """Put spans and features together.

        Args:
            outline: The windows without their features.
            features: Those of each window, or, with a spool, their places in it.
            spool: Where the features are.
            finisher: Applied to features on their way out.
        """
        self.outline = outline
        self._features = features
        self._spool = spool
        self._finisher = finisher

    def __len__(self) -> int:
        return len(self.outline)

    @overload
    def __getitem__(self, index: int) -> PreparedWindow: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[PreparedWindow, ...]: ...
    def __getitem__(self, index: int | slice) -> PreparedWindow | tuple[PreparedWindow, ...]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        window = self.outline[index]
        features = self._features[index]
        if self._spool is not None:
            features = self._spool.read(features)
        if self._finisher is not None:
            features = self._finisher(features)
        return replace(window, features=features)

    def without_features(self) -> PreparedWindows:
        """The same windows, their features gone: small, whatever the length of the track."""
        return PreparedWindows(self.outline, (None,) * len(self))


@dataclass(frozen=True, slots=True, eq=False)
class PreparedTrack:
    """What is left of a file once it has been decoded; may cross processes.

    Attributes:
        track_id: Identity by sound.
        duration: Seconds of sound that were decoded.
        sample_rate: Hz, of the file.
        channels: Of the file.
        format: Container of the file.
        truncated: Whether parts of the file were missing or damaged.
        windows: By space; silent windows are left out (a whole-track encoder decides for itself),
            and a space without any is absent.
        spool: Where the features are, if they are not simply in memory.
    """

    track_id: str
    duration: float
    sample_rate: int
    channels: int
    format: str
    truncated: bool
    windows: Mapping[str, PreparedWindows]
    spool: Spool | None = None

    def outline(self) -> PreparedTrack:
        """The same track, the features of its windows gone."""
        windows = {space: found.without_features() for space, found in self.windows.items()}
        return replace(self, windows=windows, spool=None)

    def close(self) -> None:
        """Let go of the features; idempotent."""
        if self.spool is not None:
            self.spool.close()


class Shelf:
    """Gathers the windows of one track in one space while it is decoded."""

    def __init__(self, spool: Spool | None) -> None:
        """Begin empty.

        Args:
            spool: Where features go; None keeps them in memory as they are.
        """
        self._spool = spool
        self._outline: list[PreparedWindow] = []
        self._features: list[Any] = []

    def add(self, window: PreparedWindow) -> None:
        """Keep one window.

        Raises:
            BusyError: DISK_FULL; see ``Spool.add``.
        """
        features = window.features
        self._features.append(features if self._spool is None else self._spool.add(features))
        self._outline.append(replace(window, features=None))

    def windows(self, duration: float, finisher: Finisher | None = None) -> PreparedWindows:
        """All windows, now that the track has ended.

        Args:
            duration: Its seconds; resamplers round up, and no span may pass the end of the track.
            finisher: See ``PreparedWindows``.
        """
        outline = tuple(
            replace(window, span=Span(window.span.start, min(window.span.end, duration)))
            for window in self._outline
            if window.span.start < duration
        )
        return PreparedWindows(outline, self._features, self._spool, finisher)
