"""Pieces with their truth, and the catalogue of forty that the demo library is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from indexer.synth.score import Key, Score
from indexer.synth.styles import BAR, STYLES, Sketch

SECONDS = 11.0
"""About how long a piece is; it ends with a bar."""

FORMATS = ("wav", "flac", "ogg", "mp3", "m4a")


@dataclass(frozen=True, slots=True)
class Tags:
    """What is written into the file."""

    title: str
    artist: str
    album: str
    genre: str
    comment: str
    year: int
    bpm: int


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a piece because we wrote it.

    Attributes:
        style: Name in ``styles.STYLES``.
        instruments: Names in ``instruments.VOICES``, sorted, without the drums.
        tempo: Beats per minute.
        key: Tonic and mode, such as ``"Eb minor"``.
        mode: Name in ``score.MODES``.
        register: ``"low"``, ``"middle"`` or ``"high"``.
        drums: Whether there are any.
    """

    style: str
    instruments: tuple[str, ...]
    tempo: float
    key: str
    mode: str
    register: str
    drums: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece: what to play, what to write into the file, and what is true of it.

    Attributes:
        seed: Of the notes and the noise.
        gain: Loudness of the file, linear, 0..1.
        format: One of ``FORMATS``.
        sample_rate: In Hz.
    """

    score: Score
    tags: Tags
    truth: Truth
    seed: int
    gain: float
    format: str
    sample_rate: int = 44_100

    @property
    def path(self) -> str:
        """Relative path of the file: album, then title."""
        words = [f"{self.tags.album}", f"{self.tags.title}.{self.format}"]
        return "/".join(word.lower().replace(" ", "-").replace("'", "") for word in words)


@dataclass(frozen=True, slots=True)
class _Release:
    artist: str
    album: str
    genre: str
    comment: str
    year: int
    titles: tuple[str, str, str, str]


_RELEASES: dict[str, _Release] = {
    "nocturne": _Release(
        "Ada Lindqvist",
        "Windows at Night",
        "Classical",
        "calm solo piano, slow and gentle",
        2004,
        ("Lamp in the Hall", "Snow on the Sill", "Half Past Two", "The Quiet Stair"),
    ),
    "elegy": _Release(
        "Tallow String Society",
        "Grey Harbour",
        "Soundtrack",
        "sad slow strings, dark and low",
        1998,
        ("Last Ferry", "Anchor Song", "Fog Signal", "What the Tide Kept"),
    ),
    "folk song": _Release(
        "Hob and Larkin",
        "Barley Road",
        "Folk",
        "fingerpicked acoustic guitar, warm and happy",
        2011,
        ("Apple Cart", "Miller's Gate", "Seven Stiles", "Walking to Wren"),
    ),
    "rock song": _Release(
        "The Rust Parade",
        "Overpass",
        "Rock",
        "loud electric guitar and drums, driving and fast",
        1994,
        ("Burn the Map", "Gasoline Choir", "Wrong Exit", "Static Heart"),
    ),
    "brass march": _Release(
        "Pelham Town Band",
        "Banners",
        "March",
        "bright trumpet fanfare with snare drum, proud",
        1976,
        ("Opening of the Bridge", "Founders' Day", "Up the Hill", "Third Regiment"),
    ),
    "lullaby": _Release(
        "Nina Okafor",
        "Tin Stars",
        "Children",
        "music box lullaby, soft and high, for sleep",
        2016,
        ("Paper Boat", "Moth and Moon", "Button Sky", "Counting Lambs"),
    ),
    "chorale": _Release(
        "Brother Anselm Voss",
        "Stone and Air",
        "Sacred",
        "church organ, solemn and full",
        1983,
        ("Advent", "For the Departed", "Night Office", "Crypt"),
    ),
    "techno": _Release(
        "Kilohertz",
        "Concrete Floor",
        "Electronic",
        "techno with pounding drums and synth bass",
        2019,
        ("Relay", "Under Sodium Light", "Pressure Door", "Four A.M. Shift"),
    ),
    "jig": _Release(
        "The Corncrake Trio",
        "Over the Weir",
        "Celtic",
        "lively flute dance with strummed guitar",
        2008,
        ("Nettle Soup", "The Tinker's Cat", "Kick the Latch", "Rain on Friday"),
    ),
    "meditation": _Release(
        "Suri Vale",
        "Empty Rooms",
        "Ambient",
        "slow bells ringing in a large space, still",
        2021,
        ("First Breath", "Bronze", "Thirty-Two Steps", "Clear Water"),
    ),
}


def compose(style: str, seed: int) -> Piece:
    """A piece of a style; other seeds give other pieces, without end.

    Args:
        style: Name in ``styles.STYLES``.
        seed: Any integer >= 0; 0 to 3 are the demo library's.

    Raises:
        KeyError: If there is no such style.
    """
    manner = STYLES[style]
    number = list(STYLES).index(style)
    rng = np.random.default_rng([number, seed])
    tempo = float(round(rng.uniform(*manner.tempi)))
    key = Key(int(rng.integers(12)), str(rng.choice(manner.modes)))
    progression = manner.progressions[rng.integers(len(manner.progressions))]
    bars = max(2, round(SECONDS / (BAR * 60.0 / tempo)))
    chords = tuple(progression[bar % len(progression)] for bar in range(bars))
    parts = manner.compose(Sketch(rng, key, chords))
    names = {part.instrument for part in parts}
    release = _RELEASES[style]
    lap, index = divmod(seed, len(release.titles))
    title = release.titles[index] + (f" No. {lap + 1}" if lap else "")
    return Piece(
        score=Score(tempo, bars * BAR, parts, manner.room, manner.decay),
        tags=Tags(
            title,
            release.artist,
            release.album,
            release.genre,
            release.comment,
            release.year,
            round(tempo),
        ),
        truth=Truth(
            style,
            tuple(sorted(names - {"drums"})),
            tempo,
            str(key),
            key.mode,
            manner.register,
            "drums" in names,
        ),
        seed=seed,
        gain=manner.gain,
        format=FORMATS[(number + seed) % len(FORMATS)],
    )


def catalogue(each: int = 4) -> tuple[Piece, ...]:
    """The first ``each`` pieces of every style; the demo library by default."""
    return tuple(compose(style, seed) for style in STYLES for seed in range(each))
