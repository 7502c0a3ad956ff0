"""How many notes begin, from all that tells of them: expected, rather than counted.

Counting what Basic Pitch is sure of misses notes that begin softly or in a crowd, and counts the
overtones of others. Here a small network, fitted on rendered songs whose notes are known
(``indexer/training/density.py``), tells from many soft counts per frame how many notes begin in it:
those of Basic Pitch's activations, and those of how the spectrum rises at each pitch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from retrieval.describe.pictures import SHORT_HOP, SHORT_SIZE, spectra
from retrieval.describe.protocol import RATE, Sound

Array = NDArray[np.float32]

Activations = tuple[NDArray[np.float64], Array, Array]
"""Seconds of every frame, (n,), and how much each pitch sounds and begins, (n, 88), 0..1."""

FILE = Path(__file__).with_name("density.safetensors")

FRAME_RATE = RATE / SHORT_HOP
"""Frames of ``evidence`` a second: 43.07."""
LONGEST = 1_800
"""Frames that are heard as one, 42 s: as long as the songs that were fitted to."""
DILATIONS = (2, 4, 8)
"""Frames between the taps of the layers after the first, all of 5 taps."""

_LOWEST, _PITCHES = 21, 88
_REGIONS = (0, 20, 32, 44)
"""Pitches that are counted together begin at MIDI 21, 41, 53 and 65."""
_BEYOND = ((30.0, 200.0), (4_200.0, 6_500.0), (6_500.0, 10_500.0))
"""Hz of bands that tell drums from notes."""
_OVERTONES = (12, 19, 24)
_OVERCOUNTED = 1.2
"""Notes that are counted of plain pieces by those there are."""
_TINY = 1e-9


def density(
    sound: Sound,
    activations: Activations,
    counted: float,
    clear: float,
) -> tuple[float, float]:
    """Notes that are expected to begin, per second, and how sure that is.

    Args:
        sound: What is heard.
        activations: Of Basic Pitch.
        counted: Notes a second that they are transcribed to.
        clear: Mean strength of these, 0 without any.

    Returns:
        The density, and the chance, 0..1, that it is right but for a quarter, by its likes among
        songs that were not fitted to.
    """
    found = settled(expected(evidence(sound, activations), tables()) / sound.seconds, counted)
    chance = 1.0 / (1.0 + np.exp(-doubts(found, counted, clear) @ tables()["sure"]))
    return found, float(chance)


def expected(rows: Array, tables: Mapping[str, Array]) -> float:
    """How many notes begin in all frames of ``evidence``."""
    return float(sum(rates(part, tables).sum(dtype=np.float64) for part in pieces(rows)))


def settled(expected: float, counted: float) -> float:
    """The density, of what is expected and what is counted, all per second.

    Fast runs of plain notes are counted well, and less expected: where more is counted, the truth
    is taken to lie half way.
    """
    return expected + 0.5 * max(counted / _OVERCOUNTED - expected, 0.0)


def doubts(found: float, counted: float, clear: float) -> Array:
    """What tells how sure a density is: most of all, whether counting comes to the same."""
    differing = abs(np.log((found + 0.5) / (counted + 0.5)))
    return np.array([1.0, np.log1p(found), differing, clear], dtype=np.float32)


@cache
def tables() -> Mapping[str, Array]:
    """What was fitted."""
    return dict(load_file(FILE))


def pieces(rows: Array) -> Iterator[Array]:
    """Rows of a long sound in parts of the same length, ``LONGEST`` at most."""
    yield from np.array_split(rows, -(-len(rows) // LONGEST))


def rates(rows: Array, tables: Mapping[str, Array]) -> Array:
    """How many notes are expected to begin in each frame, (frames,).

    Args:
        rows: Of ``evidence``, (frames, counts).
        tables: Weights of convolutions, (taps, inputs, outputs), and what goes with them.
    """
    scaled = rows / tables["scale"]
    heard = np.concatenate([scaled, np.log1p(4.0 * scaled)], axis=1)
    heard = _layer(heard, tables, "first", 1)
    for dilation in DILATIONS:
        heard = heard + _layer(heard, tables, f"dilated{dilation}", dilation)
    # What is counted twice, or missed, depends on the kind of music.
    whole = np.concatenate([heard.mean(axis=0), heard.std(axis=0)])
    gate = 2.0 / (1.0 + np.exp(-(whole @ tables["gate"] + tables["gate.bias"])))
    return np.asarray(np.logaddexp(0.0, (heard * gate) @ tables["rate"] + tables["rate.bias"]))


def _layer(rows: Array, tables: Mapping[str, Array], name: str, dilation: int) -> Array:
    weights = tables[name]
    reach = len(weights) // 2
    taps = [_moved(rows, dilation * tap) for tap in range(-reach, reach + 1)]
    told = np.concatenate(taps, axis=1) @ weights.reshape(-1, weights.shape[2])
    return np.asarray(np.maximum(told + tables[f"{name}.bias"], 0.0))


def evidence(sound: Sound, activations: Activations) -> Array:
    """What tells of beginnings, frame by frame, (frames, counts), all >= 0."""
    times, sounding, onsets = activations
    levels = _levels(sound)
    # The two frames of the model that lie in each of these.
    grid = np.arange(2 * len(levels)) * (SHORT_HOP / 2 / RATE)
    nearest = np.searchsorted(times, grid - SHORT_HOP / 4 / RATE).clip(0, len(times) - 1)
    pairs = nearest.reshape(-1, 2)
    parts = [
        _counts(onsets[pair].max(axis=1), sounding[pair].mean(axis=1), level)
        for pair, level in zip(pieces(pairs), pieces(levels), strict=True)
    ]
    return np.concatenate(parts).astype(np.float32, copy=False)


def _counts(onsets: Array, sounding: Array, levels: Array) -> Array:
    level, beyond = levels[:, :_PITCHES], levels[:, _PITCHES:]
    near = _most(onsets, range(-1, 2))
    first = (onsets >= near) & (onsets > 0.05)
    clear = first & (onsets >= _moved(near, 0, 1)) & (onsets >= _moved(near, 0, -1))
    peak, start = np.where(clear, onsets, 0.0), np.where(first, onsets, 0.0)
    below = np.maximum.reduce([_moved(near, 0, -overtone) for overtone in _OVERTONES])
    before = _most(sounding, range(-4, -1))
    earlier = sum(_moved(sounding, k) for k in (-2, -3, -4)) / 3.0
    after = sum(_moved(sounding, k) for k in (1, 2, 3, 4)) / 4.0
    gap = np.minimum(_moved(sounding, -3), _moved(sounding, 3)) - sounding
    rise = np.maximum(_moved(level, 1) - _moved(level, -1), 0.0)
    slow = np.maximum(_moved(level, 3) - _moved(level, -3), 0.0)
    found = (
        *(peak, clear * _soft(peak, 0.25), clear * _soft(peak, 0.5)),
        # No overtone of what begins with it; new, or struck again.
        *(peak * np.maximum(1.0 - below, 0.0), start * (1.0 - before), start * before),
        *(sounding, sounding > 0.3, np.maximum(after - earlier, 0.0), np.maximum(gap, 0.0)),
        *(rise * after, slow * after, rise, peak * after, onsets),
    )
    sums = [np.add.reduceat(one.astype(np.float32), _REGIONS, axis=1) for one in found]
    rising = np.maximum(_moved(beyond, 1) - _moved(beyond, -1), 0.0)
    return np.concatenate([*sums, beyond, rising], axis=1)


def _soft(strength: Array, threshold: float) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(15.0 * (threshold - strength))))


def _most(picture: Array, frames: range) -> Array:
    return np.asarray(np.maximum.reduce([_moved(picture, k) for k in frames]))


def _moved(picture: Array, frames: int, pitches: int = 0) -> Array:
    """What is that many frames later and pitches higher; zero beyond the edges."""
    found = np.zeros_like(picture)
    to, source = zip(
        *(
            (slice(max(0, -by), max(0, size - max(0, by))), slice(max(0, by), max(0, size + by)))
            for by, size in zip((frames, pitches), picture.shape, strict=True)
        ),
        strict=True,
    )
    found[to] = picture[source]
    return found


def _levels(sound: Sound) -> Array:
    """Log magnitude by the mean of all pitches, of each pitch and of ``_BEYOND``."""
    bands = np.concatenate([np.abs(b) @ _bank() for b in spectra(sound, SHORT_SIZE, SHORT_HOP)])
    return np.asarray(np.log1p(20.0 * bands / (bands[:, :_PITCHES].mean() + _TINY)))


@cache
def _bank() -> Array:
    """A triangle for each pitch, a bin wide to both sides at least, and ``_BEYOND``; mean 1."""
    hertz = np.arange(SHORT_SIZE // 2 + 1)[:, None] * (RATE / SHORT_SIZE)
    tones = 440.0 * 2.0 ** ((np.arange(_LOWEST - 1, _LOWEST + _PITCHES + 1) - 69) / 12)
    middle = tones[1:-1]
    low = np.minimum(tones[:-2], middle - RATE / SHORT_SIZE)
    high = np.maximum(tones[2:], middle + RATE / SHORT_SIZE)
    triangles = np.minimum((hertz - low) / (middle - low), (high - hertz) / (high - middle))
    boxes = np.stack([(hertz[:, 0] >= a) & (hertz[:, 0] < b) for a, b in _BEYOND], axis=1)
    bank = np.concatenate([np.maximum(triangles, 0.0), boxes], axis=1)
    return np.asarray(bank / bank.sum(axis=0), dtype=np.float32)
