"""Music fitted to the cuts of clips: how near the beats come, and what that costs."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from retrieval.core.series import Series
from retrieval.search.course import SERIES_NEEDED, Music, Picture
from retrieval.search.cue import fit, offsets
from retrieval.store.series import SeriesFolder
from tests.bench.measure import Table
from tests.search.cutting import distances, music

_TRACKS = 50
_SECONDS = 60.0


def run(*, pairs: int = 300, clips: int = 20) -> list[Table]:
    """Clips cut to a track, clips cut to none, and the processor time of 50 tracks."""
    return [_nearness(pairs, clips), _cost()]


def _nearness(pairs: int, clips: int) -> Table:
    rows = []
    for drift in (0.0, 0.05):
        for stray in (0, 4):
            fitted, random = distances(pairs, drift=drift, stray=stray)
            name = f"cut to the track, tempo {'drifts' if drift else 'steady'}, {stray} of 20 stray"
            rows.append(_row(name, float(fitted.mean()), float(random.mean())))
    rows += [
        _row(f"{cuts} cuts at random, best of {_TRACKS} tracks", *_at_random(cuts, clips))
        for cuts in (5, 20, 60)
    ]
    return Table(
        f"Mean distance from a cut to the nearest beat, clips of {_SECONDS:.0f} s",
        ("", "fitted", "random in-points", "less by"),
        tuple(rows),
        ("Aim: at least 50 % less where cuts are made to beats.",),
    )


def _at_random(cuts: int, clips: int) -> tuple[float, float]:
    fitted, random = [], []
    for seed in range(clips):
        rng = np.random.default_rng(seed)
        tracks = [music(rng, drift=0.02) for _ in range(_TRACKS)]
        clip = Picture(_SECONDS, np.sort(rng.uniform(0.5, _SECONDS - 0.5, cuts)), np.zeros(60))
        best = max((fit(clip, track) for track in tracks), key=lambda cue: cue.score)
        fitted.append(np.abs(best.offsets).mean())
        for track in tracks:
            starts = rng.uniform(0, track.duration - _SECONDS, 20)
            random.append(np.abs(offsets(starts[:, None] + clip.cuts, track.beats)).mean())
    return float(np.mean(fitted)), float(np.mean(random))


def _row(name: str, fitted: float, random: float) -> tuple[str, ...]:
    less = 1.0 - fitted / random
    return name, f"{1000 * fitted:.0f} ms", f"{1000 * random:.0f} ms", f"{100 * less:.0f} %"


def _cost() -> Table:
    rng = np.random.default_rng(0)
    clip = Picture(_SECONDS, np.sort(rng.uniform(0.1, 59.9, 100)), rng.uniform(0, 1, 60))
    with tempfile.TemporaryDirectory() as name:
        folder = SeriesFolder(Path(name))
        for number in range(_TRACKS):
            folder.write(f"t{number:03d}", _series(music(rng)))
        started = time.process_time()
        known = [Music.of(folder.read(f"t{n:03d}", SERIES_NEEDED)) for n in range(_TRACKS)]
        reading = time.process_time() - started
    started = time.process_time()
    for track in known:
        assert track is not None
        fit(clip, track)
    fitting = time.process_time() - started
    return Table(
        f"Fitting {_TRACKS} tracks of 4 min to a clip of {_SECONDS:.0f} s with 100 cuts",
        ("", "processor time"),
        (
            ("reading what was measured of them", f"{1000 * reading:.0f} ms"),
            ("finding the in-points", f"{1000 * fitting:.0f} ms"),
        ),
        ("Aim: in-points in well under 100 ms.",),
    )


def _series(track: Music) -> list[Series]:
    starts = np.concatenate([[0.0], track.borders[:-1]])
    ones = {n: np.ones(len(x), np.uint8) for n, x in (("b", track.beats), ("d", track.downbeats))}
    return [
        Series("beats", ones["b"], times=track.beats),
        Series("downbeats", ones["d"], times=track.downbeats),
        Series("sections", np.ones(len(starts)), times=starts, ends=track.borders),
        Series("loudness", track.loudness.astype(np.float32), rate=track.rate),
    ]
