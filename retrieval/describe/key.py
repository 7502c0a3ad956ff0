"""Key: the tonic and mode that a track is in for most of its time, and how it is tuned.

Two judges, whose chances are averaged: a fitted one, which hears how long each chord of the key
sounds, the pitch classes, and whether the first and the last chord are the tonic's; and the
correlation of the chords' tones with the profiles of Albrecht and Shanahan ("The use of large
corpora to train a new type of key-finding algorithm", Music Perception 31(1), 2013), counted over
chords rather than over partials. Where they differ, the key is unsure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.core.keys import Key
from retrieval.core.payload import Field, FieldType, PayloadValue
from retrieval.describe.chroma import chroma
from retrieval.describe.fitted import fitted
from retrieval.describe.harmony import NO_CHORD, chord_shares, harmony
from retrieval.describe.protocol import Findings, Sound

Rows = NDArray[np.float64]

SHORTEST = 8.0
"""Seconds of sound that have a key."""

_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
_SHARPNESS = 12.0
"""Of the soft maximum over correlations."""
_NOISE, _NOTES = 0.42, 0.54
"""Tonality of speech and animals, and of most music."""
_LEAST = 0.1
"""Share of the time that has chords, below which there is no key."""
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key, and the probability that it is the right one, 0..1."""

    key: Key
    confidence: float


class Tonality:
    """Key and tuning."""

    name = "key"
    version = 1
    fields = (
        Field("key_measured", FieldType.KEYWORD, "key by ear: A minor", computed=True),
        Field("key_confidence", FieldType.FLOAT, "chance that the key is right, 0..1", True),
        Field("tuning_cents", FieldType.FLOAT, "above A = 440 Hz, -50..50 cents", computed=True),
    )
    series = ()

    def describe(self, sound: Sound) -> Findings:
        """Nothing of sound without chords, or below eight seconds."""
        found = sound.share(key)
        if found is None:
            return Findings({})
        scalars: dict[str, PayloadValue] = {
            "key_measured": str(found.key),
            "key_confidence": round(found.confidence, 3),
            "tuning_cents": round(sound.share(chroma).tuning, 1),
        }
        return Findings(scalars)


def key(sound: Sound) -> FoundKey | None:
    """The key of a sound; None below ``SHORTEST`` seconds, or without chords."""
    picture, chords = sound.share(chroma), sound.share(harmony)
    heard = chord_shares(chords)
    if sound.seconds < SHORTEST or heard.sum() < _LEAST or picture.tonality < _NOISE:
        return None
    scores = features(sound) @ fitted("keys") + fitted("key_modes")
    learnt = _soft(scores.T.reshape(24))
    chances = 0.5 * (learnt + _soft(_SHARPNESS * _correlations(heard)))
    best = int(chances.argmax())
    sure = np.clip((picture.tonality - _NOISE) / (_NOTES - _NOISE), 0.0, 1.0)
    return FoundKey(Key(best % 12, best >= 12), float(chances[best] * sure))


def features(sound: Sound) -> Rows:
    """What the fitted judge hears, shape (12, 40), seen from each tonic.

    Shares of the chords of each degree among all, major then minor; mean pitch classes, of unit
    length; whether the first and the last chord are the tonic's major, minor.
    """
    chords = sound.share(harmony)
    heard = chords.chords[chords.chords != NO_CHORD]
    ends = heard[[0, -1]] if len(heard) else np.array([NO_CHORD, NO_CHORD])
    shares = chord_shares(chords)
    shares = 4.0 * shares / (shares.sum() + _TINY)
    mean = np.sqrt(sound.share(chroma).treble).mean(axis=0)
    mean = 3.0 * mean / (np.linalg.norm(mean) + _TINY)
    rows = []
    for tonic in range(12):
        tonics = [[end == tonic, end == tonic + 12] for end in ends]
        parts = (shares[:12], shares[12:], mean)
        turned = [np.roll(part, -tonic) for part in parts]
        rows.append(np.concatenate([*turned, np.ravel(tonics)]))
    return np.array(rows, dtype=np.float64)


def _correlations(shares: Rows) -> Rows:
    """Of the chords' tones with the 24 keys' profiles."""
    tones = sum(
        np.roll(part, step)
        for part, steps in ((shares[:12], (0, 4, 7)), (shares[12:], (0, 3, 7)))
        for step in steps
    )
    profiles = np.array([np.roll(p, k) for p in (_MAJOR, _MINOR) for k in range(12)])
    profiles -= profiles.mean(axis=1, keepdims=True)
    centred = tones - np.mean(tones)
    size = np.linalg.norm(profiles, axis=1) * np.linalg.norm(centred)
    return np.asarray(profiles @ centred / (size + _TINY))


def _soft(scores: Rows) -> Rows:
    raised = np.exp(scores - scores.max())
    return np.asarray(raised / raised.sum())
