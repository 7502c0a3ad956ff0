"""The attributes that the ear knows: each true, false or undecided for a window.

A caption is a conjunction of attributes, some of them denied, so that whether it fits a window can
be computed for any pair of the two: that is what the ear is trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from indexer.training.grooves import grooves
from indexer.training.harmony import is_minor
from indexer.training.nonmusic import SOUNDS
from indexer.training.palette import FAMILIES, TIMBRES
from indexer.training.truth import Truth
from retrieval.encoders.ear_frontend import mel_bands

UNDECIDED = 0.5

GROUPS: Mapping[str, tuple[str, ...]] = {
    "rock music": ("rock", "metal", "punk", "blues"),
    "electronic music": ("techno", "trance", "drum and bass", "chiptune", "ambient"),
    "dance music": ("techno", "trance", "disco", "drum and bass"),
    "jazz music": ("jazz", "jazz ballad", "bossa nova"),
    "latin music": ("salsa", "samba", "bossa nova", "tango"),
    "folk music": ("folk", "celtic", "country", "flamenco"),
    "classical music": (
        *("string quartet", "string orchestra", "orchestra", "baroque", "romantic piano"),
        *("hymn", "waltz", "fairy dance"),
    ),
    "world music": ("middle eastern", "east asian", "afrobeat", "flamenco", "samba", "reggae"),
    "film music": ("suspense", "orchestra", "ambient", "fairy dance"),
    "soul and funk": ("soul", "funk", "hip hop", "blues", "reggae"),
}
"""Wider genres. A genre that is in none of a group's neighbours denies it."""

_ALIKE: tuple[frozenset[str], ...] = (
    frozenset({"techno", "trance", "disco", "drum and bass"}),
    frozenset({"rock", "punk", "metal", "pop", "blues"}),
    frozenset({"jazz", "jazz ballad", "blues", "soul", "bossa nova"}),
    frozenset({"string quartet", "string orchestra", "orchestra", "suspense"}),
    frozenset({"ambient", "new age", "suspense"}),
    frozenset({"folk", "country", "celtic", "romantic piano", "new age"}),
    frozenset({"lullaby", "fairy dance"}),
    frozenset({"samba", "salsa", "bossa nova", "afrobeat"}),
    frozenset({"pop", "soul", "hip hop", "funk"}),
    frozenset({"flamenco", "middle eastern", "tango"}),
    frozenset({"baroque", "hymn", "string quartet"}),
    frozenset({"reggae", "ska"}),
)
"""Genres too close for one to deny the other."""

KINDS_OF: Mapping[str, tuple[str, ...]] = {
    "piano": ("piano", "honky-tonk piano", "electric piano"),
    "guitar": ("acoustic guitar", "jazz guitar", "electric guitar", "distorted guitar"),
    "saxophone": (
        *("soprano saxophone", "alto saxophone", "tenor saxophone", "baritone saxophone"),
    ),
    "woodwinds": tuple(
        name for name, timbre in TIMBRES.items() if timbre.family in {"reeds", "flutes"}
    ),
    "bells": ("tubular bells", "glockenspiel", "celesta", "music box", "vibraphone"),
    "music box or celesta": ("music box", "celesta", "glockenspiel"),
    "mallet bars": ("vibraphone", "marimba", "xylophone", "kalimba", "steel drums"),
    "violins": ("violin", "viola", "fiddle"),
    "trumpets": ("trumpet", "muted trumpet"),
    "lutes": ("banjo", "sitar", "shamisen", "koto"),
    "choir or voice": ("choir", "synth voice", "singing voice"),
}
"""Words that mean several instruments."""

_ELECTRIC = {"electric guitar", "distorted guitar", "slap bass", "bass guitar", "electric piano"}
_ELECTRIC |= {"hammond organ", "clavinet", "jazz guitar"}


@dataclass(frozen=True, slots=True)
class Window:
    """What attributes are decided on: the truth, and what is measured on the window as heard."""

    truth: Truth
    brightness: float


Rule = Callable[[Window], float]


def _bool(value: bool) -> float:
    return 1.0 if value else 0.0


def _range(value: float | None, low: float, high: float) -> float:
    """1 from ``high`` up, 0 down to ``low``, undecided between and where nothing is known."""
    if value is None:
        return UNDECIDED
    return 1.0 if value >= high else 0.0 if value <= low else UNDECIDED


def _below(value: float | None, low: float, high: float) -> float:
    """1 down to ``low``, 0 from ``high`` up."""
    return 1.0 - _range(value, low, high)


def _all(*values: float) -> float:
    """True if all are, false if one is."""
    return min(values)


def _any(*values: float) -> float:
    return max(values)


def _music(w: Window) -> float:
    return _bool(w.truth.kind != "sound")


def _events(w: Window) -> float | None:
    """Notes and strokes a second that an ear would count."""
    if w.truth.density is None:
        return None
    return w.truth.density + 0.5 * (w.truth.strokes or 0.0)


def _instrument(name: str) -> Rule:
    return lambda w: _bool(name in w.truth.instruments)


def _kind(name: str) -> Rule:
    members = set(KINDS_OF[name])
    return lambda w: _bool(bool(members & set(w.truth.instruments)))


def _family(name: str) -> Rule:
    def rule(w: Window) -> float:
        families = {"drums" if i == "drums" else TIMBRES[i].family for i in w.truth.instruments}
        return _bool(name in families)

    return rule


def _genre(name: str) -> Rule:
    close = frozenset().union(*(group for group in _ALIKE if name in group)) - {name}

    def rule(w: Window) -> float:
        if w.truth.kind == "sound":
            return 0.0
        if w.truth.genre is None:
            return UNDECIDED
        if w.truth.genre == name:
            return 1.0
        return UNDECIDED if w.truth.genre in close else 0.0

    return rule


def _group(name: str) -> Rule:
    members = GROUPS[name]
    rules = [_genre(member) for member in members]
    return lambda w: _any(*(rule(w) for rule in rules))


def _sound(name: str) -> Rule:
    return lambda w: _bool(name in w.truth.sounds)


def _voice(w: Window) -> float:
    return _any(_family("voice")(w), _sound("speech")(w))


def _drums(w: Window) -> float:
    return _instrument("drums")(w)


def _minor(w: Window) -> float:
    if w.truth.mode is None or w.truth.mode in {"pentatonic", "double harmonic", "blues"}:
        return UNDECIDED
    return _bool(is_minor(w.truth.mode))


def _major(w: Window) -> float:
    return 1.0 - _minor(w) if w.truth.mode is not None else UNDECIDED


def _tempo(low: float, high: float) -> Rule:
    return lambda w: _range(w.truth.tempo, low, high)


def _slower(low: float, high: float) -> Rule:
    return lambda w: _below(w.truth.tempo, low, high)


def _dense(w: Window) -> float:
    return _range(_events(w), 3.5, 6.0)


def _sparse(w: Window) -> float:
    return _below(_events(w), 2.0, 4.0)


def _bright(w: Window) -> float:
    return _range(w.brightness, 1_300.0, 1_900.0)


def _dark(w: Window) -> float:
    return _below(w.brightness, 750.0, 1_150.0)


def _soft(w: Window) -> float:
    return _below(w.truth.velocity, 60.0, 85.0)


def _loud(w: Window) -> float:
    return _range(w.truth.velocity, 75.0, 98.0)


def _electric(w: Window) -> float:
    if w.truth.kind == "sound":
        return 0.0
    used = set(w.truth.instruments)
    return _any(_bool(bool(used & _ELECTRIC)), _family("synthesizer")(w))


def _count(low: int, high: int) -> Rule:
    def rule(w: Window) -> float:
        number = len(w.truth.instruments)
        return _bool(w.truth.kind != "sound" and low <= number <= high)

    return rule


def _happy(w: Window) -> float:
    return _all(_music(w), _major(w), _range(w.truth.tempo, 90, 108), _range(_events(w), 1.5, 3))


def _sad(w: Window) -> float:
    return _all(
        *(_music(w), _minor(w), _below(w.truth.tempo, 92, 112), _below(_events(w), 4, 6)),
        1.0 - _drums(w),
    )


def _calm(w: Window) -> float:
    return _all(
        *(_music(w), 1.0 - _drums(w), _below(w.truth.tempo, 100, 125)),
        *(_below(_events(w), 3.5, 5.5), _below(w.truth.velocity, 85, 100)),
        1.0 - _instrument("distorted guitar")(w),
    )


def _energetic(w: Window) -> float:
    return _all(_music(w), _range(w.truth.tempo, 100, 118), _range(_events(w), 4.0, 6.0))


def _aggressive(w: Window) -> float:
    hard = _any(_genre("metal")(w), _genre("punk")(w))
    return _all(_any(hard, _instrument("distorted guitar")(w)), _energetic(w))


def _dreamy(w: Window) -> float:
    airy = _any(_genre("ambient")(w), _genre("new age")(w), _range(w.truth.room, 0.3, 0.5))
    return _all(airy, _calm(w))


def _tense(w: Window) -> float:
    uneasy = _bool(w.truth.mode in {"phrygian", "harmonic minor", "double harmonic"})
    return _all(_music(w), _any(_genre("suspense")(w), uneasy), 1.0 - _major(w))


def _epic(w: Window) -> float:
    return _all(_any(_genre("orchestra")(w), _group("film music")(w)), _loud(w))


def _romantic(w: Window) -> float:
    return _any(
        *(_genre(name)(w) for name in ("romantic piano", "jazz ballad", "soul", "bossa nova"))
    )


def _delicate(w: Window) -> float:
    light = _any(_family("mallets")(w), _instrument("harp")(w), _instrument("pizzicato strings")(w))
    return _all(
        _music(w), light, 1.0 - _drums(w), _below(w.truth.velocity, 75, 95), _count(1, 4)(w)
    )


def _playful(w: Window) -> float:
    return _all(
        *(_music(w), _major(w), _range(w.truth.tempo, 95, 108)),
        _any(_below(w.truth.held, 0.6, 0.8), *(_genre(n)(w) for n in ("chiptune", "ska"))),
    )


def _groovy(w: Window) -> float:
    names = ("funk", "disco", "hip hop", "afrobeat", "samba", "salsa", "bossa nova", "reggae")
    return _all(_drums(w), _any(*(_genre(name)(w) for name in names)))


_GENERAL: dict[str, Rule] = {
    "music": _music,
    "drums": _drums,
    "voice": _voice,
    "solo": lambda w: _all(_music(w), _count(1, 1)(w)),
    "duo": _count(2, 2),
    "band": _count(4, 99),
    "electric": _electric,
    "very slow": _slower(64, 76),
    "slow": _slower(84, 100),
    "medium tempo": lambda w: _all(_range(w.truth.tempo, 78, 90), _below(w.truth.tempo, 118, 132)),
    "fast": _tempo(108, 122),
    "very fast": _tempo(140, 156),
    "three-four time": lambda w: UNDECIDED if w.truth.beats is None else _bool(w.truth.beats == 3),
    "major": _major,
    "minor": _minor,
    "dense": _dense,
    "sparse": _sparse,
    "low": lambda w: _below(w.truth.register, 52, 58),
    "high": lambda w: _range(w.truth.register, 66, 72),
    "soft": _soft,
    "loud": _loud,
    "staccato": lambda w: _below(w.truth.held, 0.55, 0.75),
    "legato": lambda w: _range(w.truth.held, 0.8, 0.93),
    "dry": lambda w: _below(w.truth.room, 0.1, 0.25),
    "reverberant": lambda w: _range(w.truth.room, 0.3, 0.5),
    "bright": _bright,
    "dark": _dark,
    "happy": _happy,
    "sad": _sad,
    "calm": _calm,
    "energetic": _energetic,
    "aggressive": _aggressive,
    "dreamy": _dreamy,
    "tense": _tense,
    "epic": _epic,
    "romantic": _romantic,
    "delicate": _delicate,
    "playful": _playful,
    "groovy": _groovy,
}

RULES: Mapping[str, Rule] = {
    **_GENERAL,
    **{f"family {name}": _family(name) for name in FAMILIES if name != "drums"},
    **{f"kind {name}": _kind(name) for name in KINDS_OF},
    **{f"group {name}": _group(name) for name in GROUPS},
    **{f"genre {name}": _genre(name) for name in grooves()},
    **{f"sound {name}": _sound(name) for name in SOUNDS},
    **{f"instrument {name}": _instrument(name) for name in TIMBRES},
}
NAMES = tuple(RULES)
"""Every attribute, in the order of all arrays."""
PLACE = {name: place for place, name in enumerate(NAMES)}


def decide(truth: Truth, mel: NDArray[np.uint8]) -> NDArray[np.float32]:
    """All attributes of a window, shape (len(NAMES),): 1 true, 0 false, ``UNDECIDED``."""
    window = Window(truth, heard_brightness(mel))
    values = [rule(window) for rule in RULES.values()]
    if truth.kind == "sound":
        # What is no music has no tempo and no mood; to deny them would teach nothing.
        values = [
            value if name.startswith(_ABOUT_SOUNDS) or name in {"music", "voice"} else UNDECIDED
            for name, value in zip(NAMES, values, strict=True)
        ]
    return np.asarray(values, dtype=np.float32)


_ABOUT_SOUNDS = ("sound ", "instrument ", "family ", "kind ", "genre ", "group ", "drums")


def heard_brightness(mel: NDArray[np.uint8]) -> float:
    """Centre of the mel bands by the level in the loud half of the moments, Hz."""
    level = 10.0 ** (mel.astype(np.float32) * (80.0 / 255.0) / 20.0)
    loud = level.sum(axis=0)
    mean = level[:, loud >= np.median(loud)].mean(axis=1)
    bands = mel_bands()
    hertz = (bands * np.linspace(0, 11_025, bands.shape[1])).sum(axis=1) / bands.sum(axis=1)
    return float((mean * hertz).sum() / mean.sum())
