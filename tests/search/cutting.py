"""Generated music of known beats, and clips cut to it."""

from __future__ import annotations

import numpy as np

from retrieval.search.course import Music, Picture
from retrieval.search.cue import fit, offsets

Distances = np.ndarray[tuple[int], np.dtype[np.float64]]


def music(
    rng: np.random.Generator, seconds: float = 240.0, *, bpm: float = 0.0, drift: float = 0.0
) -> Music:
    """A track of one tempo, which may come and go, with bars of four and sections of sixteen."""
    beat = 60.0 / (bpm or rng.uniform(80, 160))
    count = int(2 * seconds / beat)
    lengths = beat * (1.0 + drift * np.sin(np.arange(count) / 23) + 0.003 * rng.normal(size=count))
    beats = rng.uniform(0, beat) + np.concatenate([[0.0], np.cumsum(lengths)])
    beats = beats[beats < seconds]
    down = beats[int(rng.integers(4)) :: 4]
    loudness = rng.normal(-15, 4, round(10 * seconds))
    return Music(seconds, beats, down, np.append(down[::16], seconds), loudness, 10.0)


def picture(
    rng: np.random.Generator, under: Music, seconds: float = 60.0, *, stray: int = 0
) -> Picture:
    """A clip cut to a passage of the music that begins anywhere, by a hand 20 ms unsure."""
    start = rng.uniform(0, under.duration - seconds)
    inside = under.beats[(under.beats > start + 0.5) & (under.beats < start + seconds - 0.5)]
    met = rng.choice(inside, 20 - stray, replace=False) - start + rng.normal(0, 0.02, 20 - stray)
    cuts = np.sort(np.concatenate([met, rng.uniform(0.5, seconds - 0.5, stray)]))
    return Picture(seconds, cuts, rng.uniform(0, 1, round(seconds)))


def distances(count: int, *, drift: float, stray: int) -> tuple[Distances, Distances]:
    """Mean |cut - nearest beat| of so many pairs, in seconds: fitted, and from random in-points."""
    fitted, random = [], []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        track = music(rng, drift=drift)
        clip = picture(rng, track, stray=stray)
        fitted.append(np.abs(fit(clip, track).offsets).mean())
        starts = rng.uniform(0, track.duration - clip.duration, 100)
        random.append(np.abs(offsets(starts[:, None] + clip.cuts, track.beats)).mean())
    return np.array(fitted), np.array(random)
