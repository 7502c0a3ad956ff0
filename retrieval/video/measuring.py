"""The five dimensions that a picture itself tells, by signal processing, without weights.

All are measured on frames of 90 lines or so: cuts at up to 30 frames per second, motion and colour
at up to 8, each by the time it is shown, so that a variable frame rate changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.core.video import SERIES, VIDEO_DIMS, Source, VideoFeatures, VideoSeries
from retrieval.video.clips import ClipDecoder
from retrieval.video.colour import brightness, lightness_and_temperature
from retrieval.video.cuts import CutFinder
from retrieval.video.features import FEATURE_SET
from retrieval.video.flow import Grey, difference, halved, optical_flow
from retrieval.video.frames import Frame
from retrieval.video.limits import Sampling, VideoLimits
from retrieval.video.transitions import TransitionFinder

SAMPLING = Sampling(rate=30.0, short_side=90)
MOTION_RATE = 8.0

Progress = Callable[[float, float | None], None]
"""Seconds of the clip that were measured, and how many it promises."""

_ENERGY_FLOW = 0.1
_ENERGY_DIFFERENCE = 0.1
_CUTS_PER_MINUTE = 12.0
_EVENNESS = 0.2


def measure(
    source: Path | bytes,
    decoder: ClipDecoder,
    limits: VideoLimits | None = None,
    *,
    name: str | None = None,
    progress: Progress | None = None,
) -> VideoFeatures:
    """Decode and measure a clip.

    Args:
        source: A path, or a whole file.
        decoder: Decodes it apart from this process.
        limits: What to accept.
        name: What errors call it.
        progress: Called about once per second of the clip; what it raises ends the work.

    Raises:
        VideoError: As ``ClipDecoder.open`` and ``Clip.frames`` do.
        BusyError: QUEUE_FULL if no decoder gets free in time.
    """
    meter = ClipMeter()
    with decoder.open(source, SAMPLING, limits or VideoLimits(), name=name) as clip:
        told = 0.0
        for frame in clip.frames():
            meter.show(frame)
            if progress is not None and frame.time >= told:
                told = frame.time + 1.0
                progress(frame.time, clip.promised)
        return meter.features(clip.duration, partial=clip.partial)


class ClipMeter:
    """Measures the frames of a clip as they come, in the memory of a few of them."""

    def __init__(self) -> None:
        self._finder = CutFinder()
        self._transitions = TransitionFinder()
        self._last: tuple[float, Grey] | None = None
        self._next = 0.0
        # Start, end, motion, energy.
        self._pairs: list[tuple[float, float, float, float]] = []
        # Time, lightness, temperature.
        self._colours: list[tuple[float, float, float]] = []

    def show(self, frame: Frame) -> None:
        """Take the next frame."""
        grey = brightness(frame.pixels)
        self._finder.show(frame.time, frame.pixels, grey)
        if frame.time < self._next:
            self._transitions.glance(frame.time, grey)
            return
        self._transitions.show(frame.time, halved(grey))
        self._next = (math.floor(frame.time * MOTION_RATE + 1e-3) + 1) / MOTION_RATE - 1e-3
        # Every other pixel tells the mean colour as well as all of them.
        self._colours.append((frame.time, *lightness_and_temperature(frame.pixels[::2, ::2])))
        if self._last is not None:
            start, before = self._last
            self._pairs.append((start, frame.time, *_motion(before, grey, frame.time - start)))
        self._last = (frame.time, grey)

    def features(self, duration: float, *, partial: bool) -> VideoFeatures:
        """What all frames together tell.

        Args:
            duration: Seconds from the first frame to the end of the last.
            partial: Whether some were missing.
        """
        cuts = self._transitions.with_cuts(self._finder.cuts())
        pairs = np.asarray(self._pairs, dtype=np.float64).reshape(-1, 4)
        # What lies on both sides of a cut is no motion.
        across = np.searchsorted(cuts, pairs[:, 0], "right") != np.searchsorted(
            cuts, pairs[:, 1], "right"
        )
        pairs = pairs[~across]
        colours = np.asarray(self._colours, dtype=np.float64)
        known = {
            "narrative_pace": narrative_pace(cuts, duration),
            "color_weight": 1.0 - float(colours[:, 1].mean()),
            "color_temperature": float(colours[:, 2].mean()),
        }
        if len(pairs):
            spans = pairs[:, 1] - pairs[:, 0]
            known["motion_amplitude"] = float(np.average(pairs[:, 2], weights=spans))
            known["action_energy"] = float(np.average(pairs[:, 3], weights=spans))
        return VideoFeatures(
            values=tuple(known.get(name, 0.0) for name in VIDEO_DIMS),
            sources=tuple(
                Source.SIGNAL if name in known else Source.UNAVAILABLE for name in VIDEO_DIMS
            ),
            feature_set=FEATURE_SET,
            series=_series(cuts, pairs, colours, duration),
            duration=duration,
            partial=partial,
        )


def narrative_pace(cuts: NDArray[np.float64], duration: float) -> float:
    """How fast a clip is cut, 0 (one shot) to 100.

    100 c / (c + 12) for c cuts per minute, so that a shot of five seconds stands at 50; up to a
    fifth of it is lost where shots are of very different length (their entropy over its maximum).

    Args:
        cuts: Seconds from the first frame.
        duration: Of the clip, in seconds.
    """
    if not len(cuts) or duration <= 0.0:
        return 0.0
    rate = 60.0 * len(cuts) / duration
    lengths = np.diff([0.0, *cuts, max(duration, cuts[-1] + 1e-3)])
    shares = lengths / lengths.sum()
    evenness = float(-(shares * np.log(shares)).sum() / np.log(len(shares)))
    return 100.0 * rate / (rate + _CUTS_PER_MINUTE) * (1.0 - _EVENNESS + _EVENNESS * evenness)


def _motion(before: Grey, after: Grey, seconds: float) -> tuple[float, float]:
    """Motion in widths per second, and action energy: 100 (1 - exp(-(f / 0.1 + d / 0.1))).

    f is the mean flow beyond the camera's (the median) in widths per second, d the mean difference
    of brightness (0..1) once the camera's motion is undone.
    """
    flow = optical_flow(before, after)
    right, down = flow.camera()
    scale = 1.0 / (before.shape[1] * seconds)
    moving = float(np.hypot(flow.right, flow.down).mean()) * scale
    beyond = float(np.hypot(flow.right - right, flow.down - down).mean()) * scale
    left = difference(before, after, right, down)
    energy = 100.0 * (1.0 - math.exp(-(beyond / _ENERGY_FLOW + left / _ENERGY_DIFFERENCE)))
    return moving, energy


def _series(
    cuts: NDArray[np.float64],
    pairs: NDArray[np.float64],
    colours: NDArray[np.float64],
    duration: float,
) -> VideoSeries:
    length = max(1, math.ceil(duration - 1e-3))
    values = np.zeros((length, len(SERIES)), dtype=np.float64)
    for column, places, seen in (
        (0, 0.5 * (pairs[:, 0] + pairs[:, 1]), pairs[:, 2]),
        (1, 0.5 * (pairs[:, 0] + pairs[:, 1]), pairs[:, 3]),
        (2, colours[:, 0], colours[:, 1]),
        (3, colours[:, 0], colours[:, 2]),
    ):
        values[:, column] = _per_second(places, seen, length)
    np.add.at(values[:, 4], np.minimum(cuts.astype(np.int64), length - 1), 1.0)
    return VideoSeries(values.astype(np.float32), cuts)


def _per_second(
    places: NDArray[np.float64], seen: NDArray[np.float64], length: int
) -> NDArray[np.float64]:
    """Means per second; a second in which nothing was seen is as the one before it."""
    rows = np.minimum(places.astype(np.int64), length - 1)
    counts = np.bincount(rows, minlength=length)
    means = np.bincount(rows, weights=seen, minlength=length) / np.maximum(counts, 1)
    last = np.maximum.accumulate(np.where(counts > 0, np.arange(length), 0))
    return np.asarray(means[last], dtype=np.float64)
