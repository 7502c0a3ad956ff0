"""What the ear tells of whole songs: thresholds by validation, and how right it is with them.

The truth of a song is that of its windows: what holds in three of four is true of it, what holds in
one of four at most is false, what lies between, or is undecided (a genre too close to the song's
own, a mood at the edge of its definition), counts neither way. Of voices any window counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from indexer.training.attributes import NAMES, PLACE
from indexer.training.evaluate import Heardset, area
from retrieval.describe.heard import (
    GENRE,
    GROUP,
    INSTRUMENTAL,
    MOODS,
    SURE,
    VOCAL,
    Thresholds,
    genre_name,
    overall,
    sung,
    told,
)
from retrieval.describe.protocol import Attributes
from retrieval.encoders.ear_frontend import SECONDS
from retrieval.encoders.ear_weights import Calibration

Floats = NDArray[np.float64]

RIGHT, RIGHT_OF_VOICES = 0.95, 0.9
"""Share of what is told that has to be right where thresholds are found. That of voices has to be
so twice: as many sing as do, and if half of the songs did, for elsewhere more do."""
_STEPS = np.arange(1, 20) / 20
_TRUE, _FALSE = 0.75, 0.25
_VOICE = PLACE["voice"]
_FEW = 5


@dataclass(frozen=True, slots=True, eq=False)
class Song:
    """One song: what the ear makes of its windows, and the mean of their truths, (NAMES,)."""

    attributes: Attributes
    truth: Floats


def songs(heard: Heardset, calibration: Calibration) -> list[Song]:
    """The songs of a split with two windows at least; a lone one is no music."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(heard.songs):
        places[name].append(place)
    logits = calibration.scale * heard.logits.astype(np.float64) + calibration.bias
    chances = 1.0 / (1.0 + np.exp(-logits))
    return [
        Song(
            Attributes(NAMES, chances[own], np.full(len(own), SECONDS)),
            heard.values[own].mean(axis=0).astype(np.float64),
        )
        for own in places.values()
        if len(own) > 1
    ]


def find(*splits: Sequence[Song]) -> Thresholds:
    """The lowest thresholds from which on ``RIGHT`` of what is told is right in each of the splits.

    Validation songs are disturbed and talked over, test songs are clean: each asks for more
    somewhere.
    """
    found = [_find(split) for split in splits]
    return replace(
        SURE,
        vocal=max(one.vocal for one in found),
        instrumental=min(one.instrumental for one in found),
        group=max(one.group for one in found),
        genre=max(one.genre for one in found),
        mood=max(one.mood for one in found),
    )


def _find(validation: Sequence[Song]) -> Thresholds:
    likely = np.stack([overall(song.attributes) for song in validation])
    truth = np.stack([song.truth for song in validation])
    voice, sings = _voices(validation)

    def least(places: Sequence[int]) -> float:
        chances, values = likely[:, places], truth[:, places]
        return _least(chances[values >= _TRUE], chances[values <= _FALSE], RIGHT)

    return replace(
        SURE,
        vocal=max(0.5, _least(voice[sings], voice[~sings], RIGHT_OF_VOICES, both=True)),
        instrumental=round(
            1.0 - _least(1.0 - voice[~sings], 1.0 - voice[sings], RIGHT_OF_VOICES, both=True), 2
        ),
        group=least(_starting(GROUP)),
        genre=least(_starting(GENRE)),
        mood=least([PLACE[name] for name in MOODS]),
    )


def measure(held_out: Sequence[Song], sure: Thresholds = SURE) -> dict[str, float]:
    """Of what is told of these songs: areas under curves, and what is right and found.

    Precision is the share of what was told that is right, recall of what is true that was told.
    """
    payloads = [told(song.attributes, sure) for song in held_out]
    truth = np.stack([song.truth for song in held_out])
    likely = np.stack([overall(song.attributes) for song in held_out])
    voice, sings = _voices(held_out)
    found = {"songs": float(len(held_out)), "with voice": float(sings.mean())}
    found["voice area"] = area(voice[sings], voice[~sings])
    for value, true in ((VOCAL, sings), (INSTRUMENTAL, ~sings)):
        said = np.array([one.get("voice_heard") == value for one in payloads])
        hits, misses = said[true].mean(), said[~true].mean()
        found |= {f"{value} precision": _share(said & true, said), f"{value} recall": float(hits)}
        found[f"{value} precision, half sing"] = float(hits / max(hits + misses, 1e-9))
    for field, names in (("genre_heard", _GENRES), ("mood_heard", _MOODS)):
        values = np.stack([truth[:, places].max(axis=1) for places in names.values()], axis=1)
        chances = np.stack([likely[:, places].max(axis=1) for places in names.values()], axis=1)
        said = np.array([[name in _several(one, field) for name in names] for one in payloads])
        true, false = values >= _TRUE, values <= _FALSE
        areas = [
            area(column[yes], column[no])
            for column, yes, no in zip(chances.T, true.T, false.T, strict=True)
            if min(yes.sum(), no.sum()) >= _FEW
        ]
        found[f"{field} area"] = float(np.mean(areas)) if areas else float("nan")
        found[f"{field} precision"] = _share(said & true, said & (true | false))
        found[f"{field} recall"] = _share(said & true, true)
        found[f"songs with {field}"] = float(said.any(axis=1).mean())
    return found


def _voices(all_songs: Sequence[Song]) -> tuple[Floats, NDArray[np.bool_]]:
    """How likely there is a voice in each song, and whether there is one in any of its windows."""
    chances = np.array([sung(song.attributes) for song in all_songs])
    return chances, np.array([song.truth[_VOICE] > 0 for song in all_songs])


def _least(true: Floats, false: Floats, share: float, *, both: bool = False) -> float:
    """The lowest threshold from which on so much of what reaches it is true.

    Args:
        true: Probabilities of what is true.
        false: Of what is not.
        share: 0..1.
        both: Also if there were as many of one as of the other.
    """
    least = 1.0
    for threshold in _STEPS[::-1].tolist():
        kept = np.array([(true >= threshold).sum(), (false >= threshold).sum()], dtype=np.float64)
        sides = [kept, kept / (len(true), len(false))] if both else [kept]
        if any(side[0] < share * side.sum() for side in sides):
            break
        least = threshold
    return least


def _starting(prefix: str) -> list[int]:
    return [place for name, place in PLACE.items() if name.startswith(prefix)]


def _by_genre() -> dict[str, list[int]]:
    """The attributes of every genre that may be told."""
    found: dict[str, list[int]] = defaultdict(list)
    for place in (*_starting(GROUP), *_starting(GENRE)):
        found[genre_name(NAMES[place])].append(place)
    return found


_GENRES = _by_genre()
_MOODS = {name: [PLACE[name]] for name in MOODS}


def _several(payload: Mapping[str, object], field: str) -> tuple[str, ...]:
    value = payload.get(field, ())
    return value if isinstance(value, tuple) else ()


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    return float(part.sum() / whole.sum()) if whole.any() else float("nan")
