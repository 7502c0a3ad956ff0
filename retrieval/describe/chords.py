"""Chords: major and minor triads over time, how long each sounds, and what follows on what."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from retrieval.core.keys import Key
from retrieval.core.payload import Field, FieldType, PayloadValue
from retrieval.core.progressions import Chord, collapsed, progression_tokens
from retrieval.core.series import Series
from retrieval.describe.evidence import NO_CHORD
from retrieval.describe.harmony import Harmony, chord_shares, chord_sureness, harmony
from retrieval.describe.key import key
from retrieval.describe.protocol import Findings, SeriesField, Sound

_ROOTS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
CHORD_NAMES = (*_ROOTS, *(f"{root}:min" for root in _ROOTS), "N")
"""Of the 25 classes, as Harte et al. spell them (ISMIR 2005), with sharps."""

_HEARD = 0.03
"""Share of the time from which a chord belongs to a track."""
_LEAST = 0.1
"""Share of the time that has chords, below which there are none to tell."""
_SHORTEST = 8.0
"""Seconds of sound that have chords."""
_LOOP = 4
_TINY = 1e-9


_CHANCES = {
    "chords": "chance that the chord told of a moment is right",
    "degrees": "chance that it and the key are right",
    "progression": "chance that its chords and the key are right",
    "progressions": "chance that two chords in a row are right",
    "chord_change_rate": "chance that a change of chord is right",
}


class Chords:
    """Chords by beat and by second, their shares, and tokens to find progressions by."""

    name = "chords"
    version = 2
    fields = (
        Field("chords", FieldType.KEYWORD, "triads that sound 3 % of the time, most first", True),
        Field("degrees", FieldType.KEYWORD, "the same seen from the measured key: I, vi", True),
        Field("progression", FieldType.KEYWORD, "most frequent four in a row: I V vi IV", True),
        Field("progressions", FieldType.KEYWORD, "two to four in a row in any key: M7M2m8M", True),
        Field("chord_change_rate", FieldType.FLOAT, "changes of chord a minute, 0..600", True),
        *(
            Field(f"{name}_confidence", FieldType.FLOAT, f"{what}, 0..1", True)
            for name, what in _CHANCES.items()
        ),
    )
    series = (
        SeriesField("chords", "class", "each chord from its start to its end"),
        SeriesField("chord_confidence", "0..1", "chance that each of the chords is right"),
        SeriesField("chords_by_beat", "class", "the chord that begins on, or holds at, each beat"),
        SeriesField("chords_by_second", "class", "the chord that fills most of each second"),
        SeriesField("chord_histogram", "share", "of the time of the 25 chords, C to B, C:min to N"),
    )

    def describe(self, sound: Sound) -> Findings:
        """No fields without chords; nothing below eight seconds."""
        if sound.seconds < _SHORTEST:
            return Findings({})
        tonal, found = sound.share(key), sound.share(harmony)
        told = chord_findings(found, None if tonal is None else tonal.key, sound.seconds)
        sure = _sureness(found)
        chances = _chances(found, sure, 0.0 if tonal is None else tonal.confidence)
        beside = {name: chances[name] for name in _CHANCES if name in told.scalars}
        return Findings(
            {**told.scalars, **{f"{name}_confidence": round(v, 3) for name, v in beside.items()}},
            (
                *told.series,
                replace(told.series[0], name="chord_confidence", values=sure, labels=()),
            ),
        )


def chord_findings(found: Harmony, tonal: Key | None, seconds: float) -> Findings:
    """What chords tell of a track, wherever they come from; their spans are the first series.

    Args:
        found: The chords.
        tonal: The key of the track, if it is known.
        seconds: Length of the sound they are of.
    """
    shares = chord_shares(found)
    series = (
        _spans(found),
        _by_beat(found),
        Series("chords_by_second", by_second(found), rate=1.0, labels=CHORD_NAMES),
        Series(
            "chord_histogram",
            np.append(shares, 1.0 - shares.sum()).astype(np.float32)[None],
            times=np.zeros(1),
            ends=found.edges[-1:],
        ),
    )
    if shares.sum() < _LEAST:
        return Findings({}, series)
    runs = chord_runs(found)
    order = [place for place in np.argsort(-shares, kind="stable") if shares[place] >= _HEARD]
    changes = sum(first != second for run in runs for first, second in pairwise(run))
    scalars: dict[str, PayloadValue] = {
        "chords": tuple(_chord(place).name for place in order),
        "progressions": progression_tokens(runs),
        "chord_change_rate": round(60.0 * changes / seconds, 2),
    }
    if tonal is not None:
        scalars["degrees"] = tuple(_chord(place).degree(tonal) for place in order)
        if loop := _most_frequent(runs):
            scalars["progression"] = " ".join(chord.degree(tonal) for chord in loop)
    return Findings({k: v for k, v in scalars.items() if v != ()}, series)


def chord_runs(found: Harmony) -> list[tuple[Chord, ...]]:
    """Chords that follow one another, each a beat long at least, broken where there is none."""
    runs: list[list[Chord]] = [[]]
    starts, ends = _borders(found)
    for start, end in zip(starts, ends, strict=True):
        label = int(found.chords[start])
        if label == NO_CHORD:
            runs.append([])
        elif end - start >= 2:
            runs[-1].append(_chord(label))
    return [collapsed(run) for run in runs if run]


def _sureness(found: Harmony) -> NDArray[np.float32]:
    """The chance that each chord is right from its start to its end, shape (chords,)."""
    starts, ends = _borders(found)
    sums = np.add.reduceat(chord_sureness(found), starts)
    return np.asarray(sums / (ends - starts), dtype=np.float32)


def _chances(found: Harmony, sure: NDArray[np.float32], tonal: float) -> dict[str, float]:
    """Of what is told of a track, by field.

    Args:
        found: The chords.
        sure: ``_sureness``.
        tonal: The chance that the key is right.
    """
    starts, ends = _borders(found)
    heard = found.chords[starts] != NO_CHORD
    seconds = (found.edges[ends] - found.edges[starts]) * heard
    one = float(seconds @ sure / max(float(seconds.sum()), _TINY))
    inside = heard & (ends - starts >= 2)
    pairs = (sure[:-1] * sure[1:])[inside[:-1] & inside[1:]]
    two = float(pairs.mean()) if len(pairs) else one
    return {
        "chords": one,
        "degrees": one * tonal,
        "progression": two * tonal,
        "progressions": two,
        "chord_change_rate": two,
    }


def by_second(found: Harmony) -> NDArray[np.uint8]:
    """The chord that fills most of each second, the last one perhaps shorter, shape (seconds,)."""
    count = max(1, int(np.ceil(found.edges[-1] - 1e-6)))
    shares = np.zeros((count, NO_CHORD + 1))
    for start, end, label in zip(found.edges[:-1], found.edges[1:], found.chords, strict=True):
        for second in range(max(0, int(start)), min(count, int(end) + 1)):
            shares[second, label] += max(0.0, min(end, second + 1) - max(start, second))
    return np.asarray(shares.argmax(axis=1), dtype=np.uint8)


def _chord(label: int) -> Chord:
    return Chord(int(label) % 12, bool(label >= 12))


def _borders(found: Harmony) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First step of each chord, and the step after its last one."""
    changed = np.flatnonzero(found.chords[1:] != found.chords[:-1]) + 1
    return np.append(0, changed), np.append(changed, len(found.chords))


def _spans(found: Harmony) -> Series:
    starts, ends = _borders(found)
    return Series(
        "chords",
        found.chords[starts].astype(np.uint8),
        times=np.maximum(found.edges[starts], 0.0),
        ends=found.edges[ends],
        labels=CHORD_NAMES,
    )


def _by_beat(found: Harmony) -> Series:
    on = (found.places % 2 == 0) & (found.edges[:-1] >= 0) & (found.meter is not None)
    values, times = found.chords[on].astype(np.uint8), found.edges[:-1][on]
    return Series("chords_by_beat", values, times=times, labels=CHORD_NAMES)


def _most_frequent(runs: list[tuple[Chord, ...]]) -> tuple[Chord, ...]:
    """The four chords in a row that come most often; of equal ones, the first."""
    grams = Counter(
        run[at : at + _LOOP] for run in runs for at in range(len(run) - _LOOP + 1)
    ).most_common(1)
    return grams[0][0] if grams else ()
