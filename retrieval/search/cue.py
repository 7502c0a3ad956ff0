"""Fit to the cut: where in a track to begin, so that its beats meet the cuts of a clip.

An in-point lets a downbeat or a section's start (a beat, where bars are not clear) fall on the
clip's first frame, or on one of its first cuts. The latter matters most for steady music, in which
all downbeats are alike: from any of them the cuts are as far from the beats. Of all in-points from
which the track lasts, or is repeated, to the clip's end, that with the highest score is taken:

- accents, 0.5: the mean over the cuts of exp(-½ (d / 80 ms)²), d being the distance to the nearest
  beat, of which what a random moment of the track would give is taken off, relative to 1;
- motion, 0.25: correlation of loudness with motion;
- borders, 0.25: mean of start and end, each 1 at a section's border, ½ at a bar's, and Gaussian
  around them as above.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from retrieval.core.cue import ON_BEAT, Cue
from retrieval.search.course import Course, Music, Picture, Times, nearest_places

ACCENTS, MOTION, BORDERS = 0.5, 0.25, 0.25
MAX_STRETCH = 0.04

_BAR_BORDER = 0.5
_FIRST_CUTS = 4
"""Cuts that an anchor may fall on."""
_MOST_ANCHORS = 600
_MOST_SCORED = 512
"""Cuts that in-points are compared by, evenly out of all."""
_RATE = 125.0
"""Moments per second for which the distance to a beat is worked out."""
_MOST_BINS = 120
_FEWEST_BINS = 3
_QUIETEST = -60.0
_LAG = 0.2
"""Seconds from the middle of a window of momentary loudness to its end, where it is told."""
_STRETCHES = np.linspace(1.0 - MAX_STRETCH, 1.0 + MAX_STRETCH, 17)
_WORTH = 0.1
"""Mean hit by which a stretch must be better to be told."""

Scores = NDArray[np.float64]


def fit(picture: Picture, music: Music) -> Cue:
    """The best in-point of a track for a clip."""
    course = Course.of(music, picture.duration)
    cuts = picture.cuts
    if len(cuts) > _MOST_SCORED:
        cuts = cuts[np.linspace(0, len(cuts) - 1, _MOST_SCORED).round().astype(int)]
    starts, anchors, meets = _candidates(course, picture)
    near = _nearness(course)
    # Steps are added rather than times: up to 8 ms of error, and a third of the time.
    hits = near.take(_steps(starts)[:, None] + _steps(cuts), mode="clip").mean(axis=1)
    chance = min(float(near.mean()), 0.99)
    accents = (hits - chance) / (1.0 - chance)
    motion = _correlation(course, picture, starts)
    borders = 0.5 * (_bordering(course, starts) + _bordering(course, starts + picture.duration))
    scores = ACCENTS * accents + MOTION * motion + BORDERS * borders
    best = int(np.argmax(scores))
    start, anchor, meet = float(starts[best]), float(anchors[best]), float(meets[best])
    plan = course.plan(start, picture.duration)
    return Cue(
        start=start,
        end=plan[-1].end,
        anchor=course.track_time(anchor),
        meets=meet,
        offsets=tuple(offsets(start + picture.cuts, course.beats).tolist()),
        accents=float(accents[best]),
        motion=float(motion[best]),
        borders=float(borders[best]),
        score=float(scores[best]),
        plan=plan,
        stretch=_stretch(near, anchor, cuts - meet),
    )


def offsets(times: Times, beats: Times) -> Times:
    """Seconds from the nearest beat to each time, negative before it."""
    return times - beats[nearest_places(times, beats)]


def _candidates(course: Course, picture: Picture) -> tuple[Times, Times, Times]:
    """In-points, their anchors, and where in the clip these fall."""
    bars = course.downbeats if len(course.downbeats) else course.beats
    anchors = np.unique(np.concatenate([bars, course.borders]))
    meets = np.concatenate([[0.0], picture.cuts[:_FIRST_CUTS]])
    anchors = anchors[anchors <= course.latest + meets[-1]]
    if len(anchors) > _MOST_ANCHORS:
        anchors = anchors[np.linspace(0, len(anchors) - 1, _MOST_ANCHORS).round().astype(int)]
    starts = anchors[:, None] - meets
    rows, columns = np.nonzero((starts >= 0.0) & (starts <= course.latest))
    if not len(rows):
        return np.zeros(1), np.zeros(1), np.zeros(1)
    return starts[rows, columns], anchors[rows], meets[columns]


def _nearness(course: Course) -> Scores:
    """The Gaussian of the distance to the nearest beat, ``_RATE`` times per second."""
    count = int(np.ceil(course.length * _RATE)) + 1
    first = np.minimum(np.ceil(course.beats * _RATE).astype(int), count - 1)
    # How many beats have been at each moment: searching would take ten times as long.
    passed = np.cumsum(np.bincount(first, minlength=count))
    beats = np.concatenate([[-np.inf], course.beats, [np.inf]])
    times = np.arange(count) / _RATE
    return _gaussian(np.minimum(np.abs(times - beats[passed]), np.abs(beats[passed + 1] - times)))


def _gaussian(distances: Times) -> Scores:
    return np.exp(-0.5 * np.square(distances / ON_BEAT))


def _steps(times: Times) -> NDArray[np.intp]:
    return np.rint(times * _RATE).astype(np.intp)


def _bordering(course: Course, times: Times) -> Scores:
    score = np.zeros(len(times))
    for borders, worth in ((course.borders, 1.0), (course.downbeats, _BAR_BORDER)):
        if len(borders):
            score = np.maximum(score, worth * _gaussian(offsets(times, borders)))
    return score


def _correlation(course: Course, picture: Picture, starts: Times) -> Scores:
    """Pearson's, of loudness with motion in up to 120 parts of the clip, for each in-point."""
    found = np.zeros(len(starts))
    bins = min(int(np.ceil(picture.duration)), _MOST_BINS)
    if bins < _FEWEST_BINS or not len(course.loudness) or not len(picture.motion):
        return found
    edges = np.linspace(0.0, picture.duration, bins + 1)
    seconds = np.arange(len(picture.motion) + 1)
    moved = np.concatenate([[0.0], np.cumsum(picture.motion, dtype=np.float64)])
    motion = np.diff(np.interp(edges, seconds, moved))
    summed = np.concatenate([[0.0], np.cumsum(np.maximum(course.loudness, _QUIETEST))])
    places = np.round((starts[:, None] + edges + _LAG) * course.rate).astype(np.intp)
    places = np.minimum(places, len(summed) - 1)
    lengths = np.maximum(np.diff(places, axis=1), 1)
    loud = np.diff(summed[places], axis=1) / lengths
    motion -= motion.mean()
    loud -= loud.mean(axis=1, keepdims=True)
    sizes = np.linalg.norm(loud, axis=1) * float(np.linalg.norm(motion))
    np.divide(loud @ motion, sizes, out=found, where=sizes > 1e-6)
    return found


def _stretch(near: Scores, anchor: float, cuts: Times) -> float:
    """The tempo, as a factor, that meets the cuts best; 1 unless that is worth it."""
    steps = _steps(anchor + _STRETCHES[:, None] * cuts)
    hits = near.take(steps, mode="clip").mean(axis=1)
    best = int(np.argmax(hits))
    usual = hits[len(hits) // 2]
    return round(float(_STRETCHES[best]), 4) if hits[best] - usual >= _WORTH else 1.0
