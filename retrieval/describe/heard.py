"""Voice or none, genres and moods, from what the ear takes each window for.

The ear's probabilities are calibrated window by window. A track is of a genre or mood as likely as
its windows are on average. Songs are not sung throughout, so that a voice is looked for in the half
of the windows that sound most like one. What is told is what was right on rendered songs that
nothing was fitted on often enough (``Thresholds``); in between nothing is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retrieval.core.payload import Field, FieldType, PayloadValue
from retrieval.describe.protocol import Attributes, Findings, SeriesField, Sound

VOCAL, INSTRUMENTAL = "vocal", "instrumental"
MOODS = (
    *("happy", "sad", "calm", "energetic", "aggressive", "dreamy"),
    *("tense", "epic", "romantic", "delicate", "playful", "groovy"),
)
GENRE, GROUP = "genre ", "group "
"""What the names of such attributes begin with."""

FIELDS = (
    Field(
        "voice_heard", FieldType.KEYWORD, "vocal (a voice sings or speaks) or instrumental", True
    ),
    Field("voice_heard_confidence", FieldType.FLOAT, "chance that this is right, 0..1", True),
    Field("genre_heard", FieldType.KEYWORD, "genres by ear, the likeliest first", True),
    Field("genre_heard_confidence", FieldType.FLOAT, "chance of each in order, 0..1", True),
    Field("mood_heard", FieldType.KEYWORD, "moods by ear, the likeliest first", True),
    Field("mood_heard_confidence", FieldType.FLOAT, "chance of each in order, 0..1", True),
)

_RULES = 1
"""Raised with any change of what is told of the same windows."""
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How likely something must be to be told, 0..1.

    ``python -m indexer.training hearing`` finds them: the lowest, in steps of 0.05, from which on
    0.95 of the genres and moods told are right, and 0.9 of the voices, as rare as they are among
    rendered songs, and if every second song were sung.

    Attributes:
        vocal: A voice, from here on.
        instrumental: A voice, down to here.
        group: A wide genre: ``rock``, ``classical``.
        genre: A narrow one: ``metal``, ``string quartet``.
        mood: A mood.
        music: Music at all, of which alone the others are told; a voice may stand alone.
    """

    vocal: float
    instrumental: float
    group: float
    genre: float
    mood: float
    music: float = 0.5


SURE = Thresholds(vocal=0.75, instrumental=0.1, group=0.75, genre=0.6, mood=0.75)


class Heard:
    """Voice, genres and moods, where somebody listened who can tell."""

    name: str = "heard"
    fields: tuple[Field, ...] = FIELDS
    series: tuple[SeriesField, ...] = ()

    def __init__(self, listener: str = "") -> None:
        """Follow a listener.

        Args:
            listener: The revision of its space; other weights tell other things.
        """
        digest = hashlib.blake2b(f"{_RULES} {listener}".encode(), digest_size=6).digest()
        self.version = int.from_bytes(digest)

    def describe(self, sound: Sound) -> Findings:
        """Nothing of what is neither music nor voice, or where nobody listened."""
        return Findings({} if sound.attributes is None else told(sound.attributes))


def told(attributes: Attributes, sure: Thresholds = SURE) -> dict[str, PayloadValue]:
    """The fields of a track; what is not sure is absent."""
    likely = dict(zip(attributes.names, overall(attributes).tolist(), strict=True))
    voice = sung(attributes)
    music = likely["music"] >= sure.music
    known: tuple[str, float] | None = None
    if voice >= sure.vocal:
        known = VOCAL, voice
    elif music and voice <= sure.instrumental:
        known = INSTRUMENTAL, 1.0 - voice
    genres: dict[str, float] = {}
    for name, chance in likely.items() if music else ():
        least = {GROUP: sure.group, GENRE: sure.genre}.get(name[: len(GENRE)], 2.0)
        if chance >= least:
            # Rock is a wide genre and a narrow one.
            genre = genre_name(name)
            genres[genre] = max(chance, genres.get(genre, 0.0))
    moods = {name: likely[name] for name in MOODS if music and likely[name] >= sure.mood}
    return payload(known, genres, moods)


def payload(
    voice: tuple[str, float] | None, genres: Mapping[str, float], moods: Mapping[str, float]
) -> dict[str, PayloadValue]:
    """The fields with these values and how likely each is, the likeliest first."""
    found: dict[str, PayloadValue] = {}
    if voice is not None:
        found["voice_heard"] = voice[0]
        found["voice_heard_confidence"] = round(voice[1], _DIGITS)
    for field, values in (("genre_heard", genres), ("mood_heard", moods)):
        if values:
            ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
            found[field] = tuple(name for name, _ in ordered)
            found[f"{field}_confidence"] = tuple(round(chance, _DIGITS) for _, chance in ordered)
    return found


def genre_name(attribute: str) -> str:
    """The genre that an attribute is about: ``rock`` of ``group rock music``."""
    return attribute[len(GENRE) :].removesuffix(" music")


def overall(attributes: Attributes) -> NDArray[np.float64]:
    """The probabilities of a track, in the order of the names: the mean over its windows."""
    return np.asarray(np.average(attributes.chances, axis=0, weights=attributes.seconds))


def sung(attributes: Attributes) -> float:
    """How likely there is a voice: the mean over the half of the windows that are most like one."""
    chances = attributes.chances[:, attributes.names.index("voice")]
    most = np.argsort(-chances)[: (len(chances) + 1) // 2]
    return float(np.average(chances[most], weights=attributes.seconds[most]))
