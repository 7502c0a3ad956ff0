"""What is fitted to what: a picture over time, and music over time, repeated where it is short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from retrieval.core.series import Series
from retrieval.core.tracks import Span
from retrieval.core.video import VideoFeatures

Times = NDArray[np.float64]

SERIES_NEEDED = ("beats", "downbeats", "loudness", "sections")
MAX_CUTS = 4_096
"""Clips with more cuts are not fitted."""
_LONGEST = 6 * 3600.0
_LONGEST_CLIP = 2 * 3600.0
_FEWEST_BEATS = 4
_SNAP = 1.0
"""Seconds within which a section's border is moved to a bar's: sections are known to half a
second."""
_SHORTEST_LOOP = 4.0
_BAR = 4
"""Beats of a bar where bars are not clear."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A clip: seconds, cuts (n >= 1, ascending, inside it), and motion of each second (T,)."""

    duration: float
    cuts: Times
    motion: NDArray[np.floating]

    @classmethod
    def of(cls, features: VideoFeatures | None) -> Self | None:
        """A clip that was seen, has cuts, and is not longer than any; None for all others."""
        if features is None or features.series is None or features.duration is None:
            return None
        cuts = features.series.cuts
        cuts = cuts[(cuts > 0.0) & (cuts < features.duration)]
        if not 1.0 <= features.duration <= _LONGEST_CLIP or not 1 <= len(cuts) <= MAX_CUTS:
            return None
        return cls(features.duration, cuts, features.series.values[:, 0])


@dataclass(frozen=True, slots=True, eq=False)
class Music:
    """A track as it was described.

    Attributes:
        duration: Seconds.
        beats: Seconds of its beats, at least four, ascending.
        downbeats: Seconds of the first beats of bars; empty where bars are not clear.
        borders: Seconds where sections begin, and the track's end, ascending.
        loudness: LUFS of the 0.4 s before each value; empty if not known.
        rate: Values of ``loudness`` per second.
    """

    duration: float
    beats: Times
    downbeats: Times
    borders: Times
    loudness: NDArray[np.floating]
    rate: float

    @classmethod
    def of(cls, series: Sequence[Series]) -> Self | None:
        """A track by its series; None if its beats are not known."""
        known = {one.name: one for one in series}
        beats = _moments(known.get("beats"))
        if len(beats) < _FEWEST_BEATS:
            return None
        loudness, sections = known.get("loudness"), known.get("sections")
        values = np.empty(0) if loudness is None else loudness.values
        rate = 0.0 if loudness is None else loudness.rate or 0.0
        if values.ndim != 1 or rate <= 0.0 or not np.isfinite(values).all():
            values, rate = np.empty(0), 1.0
        ends = None if sections is None else sections.ends
        last = 0.0 if ends is None or not len(ends) else float(ends[-1])
        duration = max(float(beats[-1]), len(values) / rate, last)
        if duration > _LONGEST:
            return None
        downbeats, starts = _moments(known.get("downbeats")), _moments(sections)
        borders = np.append(_snapped(starts, downbeats if len(downbeats) else beats), duration)
        return cls(duration, beats, downbeats, np.unique(borders), values, rate)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Music as it goes on: the track from its start, then over again from ``Loop`` on.

    Attributes:
        length: Seconds.
        latest: The latest in-point.
        beats: As in ``Music``, in seconds of the course, as are the next two.
        downbeats: First beats of bars.
        borders: Borders of sections.
        loudness: As in ``Music``.
        rate: As in ``Music``.
        loop: The span of the track that is played again and again; None if it is long enough.
    """

    length: float
    latest: float
    beats: Times
    downbeats: Times
    borders: Times
    loudness: NDArray[np.floating]
    rate: float
    loop: Span | None

    @classmethod
    def of(cls, music: Music, seconds: float) -> Self:
        """Music that lasts so long from any in-point up to ``latest``."""
        if music.duration >= seconds:
            return cls(
                music.duration,
                music.duration - seconds,
                music.beats,
                music.downbeats,
                music.borders,
                music.loudness,
                music.rate,
                None,
            )
        loop = _loop(music)
        period = loop.end - loop.start
        count = int(np.ceil(seconds / period)) + 1
        length = loop.end + count * period
        times = np.arange(round(length * music.rate)) / music.rate
        places = np.round(_folded(times, loop) * music.rate).astype(int)
        loud = music.loudness
        return cls(
            length,
            loop.end - 1e-6,
            _again(music.beats, loop, count),
            _again(music.downbeats, loop, count),
            _again(music.borders, loop, count),
            loud[np.minimum(places, len(loud) - 1)] if len(loud) else loud,
            music.rate,
            loop,
        )

    def track_time(self, time: float) -> float:
        """Where in the track a moment of the course is."""
        return time if self.loop is None else float(_folded(np.array(time), self.loop))

    def plan(self, start: float, seconds: float) -> tuple[Span, ...]:
        """The spans of the track that sound, in order, from a moment of the course on."""
        return repeated(self.loop or Span(0.0, start + seconds), start, seconds)


def repeated(loop: Span, start: float, seconds: float) -> tuple[Span, ...]:
    """The spans that sound, in order, where a track goes on at the loop's start at its end."""
    spans = []
    while seconds > 1e-6:
        lasts = min(seconds, loop.end - start)
        spans.append(Span(start, start + lasts))
        seconds, start = seconds - lasts, loop.start
    return tuple(spans)


def _loop(music: Music) -> Span:
    """From the first border of a bar to the last, or the whole track if that is too short."""
    bars = music.downbeats if len(music.downbeats) else music.beats[::_BAR]
    if len(bars) >= 2 and bars[-1] - bars[0] >= _SHORTEST_LOOP:
        return Span(float(bars[0]), float(bars[-1]))
    return Span(0.0, music.duration)


def _folded(times: Times, loop: Span) -> Times:
    again = loop.start + np.mod(times - loop.start, loop.end - loop.start)
    return np.where(times < loop.end, times, again)


def _again(times: Times, loop: Span, count: int) -> Times:
    before = times[times < loop.end - 1e-6]
    again = before[before > loop.start - 1e-6]
    period = loop.end - loop.start
    turns = again + period * np.arange(1, count + 1)[:, None]
    return np.concatenate([before, turns.ravel()])


def _moments(series: Series | None) -> Times:
    if series is None or series.times is None:
        return np.empty(0)
    times = series.times
    return np.unique(times[(times >= 0.0) & (times <= _LONGEST)])


def _snapped(times: Times, to: Times) -> Times:
    nearest = to[nearest_places(times, to)]
    return np.where(np.abs(nearest - times) <= _SNAP, nearest, times)


def nearest_places(times: Times, to: Times) -> NDArray[np.intp]:
    """Index of the nearest of ``to`` (ascending, at least one) for each time, of its shape."""
    after = np.clip(np.searchsorted(to, times), 1, max(1, len(to) - 1))
    before = after - 1
    after = np.minimum(after, len(to) - 1)
    return np.where(times - to[before] <= to[after] - times, before, after)
