"""Rendered songs with full truth: what rhythm and harmony are fitted to and measured on.

One composer, three bands: our own synthesiser, which is always there, and FluidSynth with two sets
of soundfonts, where Debian's packages of them and ``pyfluidsynth`` are installed. Fitted and chosen
is on ``fitting`` alone; of ``SETS``, the last plays on a soundfont that nothing was fitted to.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice

import numpy as np
from numpy.typing import NDArray

from indexer.synth.drums import CLOSED_HAT, KICK, OPEN_HAT, SNARE
from indexer.synth.mixing import render
from indexer.synth.score import Note, Part, Score
from indexer.training import harmony
from indexer.training.compose import Song, Voice, compose
from indexer.training.palette import TIMBRES
from retrieval.audio import Sound as Audio
from retrieval.describe.intake import hear
from retrieval.describe.protocol import Sound

RATE = 22_050
"""Hz that own songs are rendered at; the soundfonts play at 44,100 Hz."""

TONAL = {"major": 0, "pentatonic": 0, "minor": 1, "harmonic minor": 1}
"""Modes whose tonic the ear finds without being told: 1 where they are minor.

The tunes are random walks on the scale, so D dorian and A mixolydian sound as G and D major where
their chords are those keys' too: what a key finder says of them tells little about it.
"""

_OWN = {
    "piano": "piano",
    "mallets": "music box",
    "organ": "organ",
    "guitar": "guitar",
    "bass": "synth bass",
    "strings": "strings",
    "voice": "strings",
    "brass": "trumpet",
    "reeds": "trumpet",
    "flutes": "flute",
    "synthesizer": "organ",
    "drums": "synth bass",
}
_TRIADS = np.array(
    [
        np.roll(t, k)
        for t in ([1.0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0], [1.0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0])
        for k in range(12)
    ]
)
_KICKS = {36, 41, 45, 64}
_HATS = {42, 44, 54, 69, 70, 73, 75, 81}
_OPEN = {46, 49, 51, 67}


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a song, and told by its notes: what only the paper knows is left out.

    Attributes:
        key: 0..11 are C to B major, 12..23 minor; None where the mode is not in ``TONAL``, or the
            tonic's chord never comes.
        bpm: Beats per minute; None where notes start on less than 60 % of the beats.
        beats: Seconds, as on paper; empty without ``bpm``, and where more starts off the beat, as
            with nothing but a skank.
        downbeats: Seconds, as on paper; empty without ``beats``.
        chords: (start, end, 0..23) of the bars whose triad is major or minor, sounds in full, and
            fits what is played in the bar better than all others: under some tunes none does.
    """

    key: int | None
    bpm: float | None
    beats: NDArray[np.float64]
    downbeats: NDArray[np.float64]
    chords: tuple[tuple[float, float, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """A song as it sounds: mono float32, its rate in Hz, and its truth."""

    song: Song
    sound: NDArray[np.float32]
    rate: int
    truth: Truth


def composed(first: int, songs: int) -> Iterator[Song]:
    """Songs with harmony, from this seed upwards: bands, and tunes that are accompanied."""
    found = 0
    for seed in count(first):
        if found == songs:
            return
        song = compose(seed)
        roles = {voice.role for voice in song.voices}
        if song.kind in {"groove", "free", "duo"} and roles & {"chords", "pad"}:
            found += 1
            yield song


def beating(first: int, songs: int) -> Iterator[Song]:
    """Pieces for drums alone, from this seed upwards."""
    drums = (song for song in map(compose, count(first)) if song.kind == "drums")
    return islice((song for song in drums if song.voices), songs)


def truth_of(song: Song) -> Truth:
    """What is true of a song as a whole."""
    beats = np.arange(len(song.chords) * song.beats, dtype=np.float64) * (60.0 / song.tempo)
    heard, plain = _pulse(song, beats)
    key = None
    if song.mode in TONAL and 0 in song.chords:
        key = song.tonic + 12 * TONAL[song.mode]
    return Truth(
        key=key,
        bpm=song.tempo if heard else None,
        beats=beats if heard and plain else beats[:0],
        downbeats=beats[:: song.beats] if heard and plain else beats[:0],
        chords=tuple(_chords(song)),
    )


def own(songs: Iterator[Song]) -> Iterator[Rendered]:
    """Songs on our own synthesiser."""
    for song in songs:
        beat = 60.0 / song.tempo
        score = Score(
            song.tempo,
            len(song.chords) * song.beats,
            tuple(_part(voice, beat) for voice in song.voices),
            0.25 * song.room,
            1.0,
        )
        sound = render(score, RATE, song.seed).mean(axis=1, dtype=np.float32)
        yield Rendered(song, sound, RATE, truth_of(song))


def fluid(fonts: tuple[str, ...], songs: Iterator[Song]) -> Iterator[Rendered]:
    """Songs on soundfonts by FluidSynth; none where these are not installed."""
    if importlib.util.find_spec("fluidsynth") is None:
        return
    from indexer.training import render as rendering

    if not all((rendering.FOLDER / font).is_file() for font in fonts):
        return
    band = rendering.Band(fonts)
    for song in songs:
        yield Rendered(song, band.play(song), rendering.RATE, truth_of(song))
    band.close()


def instrument(voice: Voice) -> str:
    """What plays a voice on our own synthesiser."""
    return "drums" if voice.timbre == "drums" else _OWN[TIMBRES[voice.timbre].family]


def heard(song: Rendered) -> Sound:
    """A rendered song as descriptors hear it."""
    return hear(Audio(song.sound[:, None], song.rate, "wav", f"song {song.song.seed}"))


_FONTS = ("FluidR3_GM.sf2", "TimGM6mb.sf2")

BANDS: dict[str, Callable[[Iterator[Song]], Iterator[Rendered]]] = {
    "own synthesiser": own,
    "A (FluidR3, TimGM6mb)": partial(fluid, _FONTS),
    "B (csound, held out)": partial(fluid, ("sf_GMbank.sf2",)),
}
"""Who plays what accuracy is stated for."""

SETS: dict[str, Callable[[int], Iterator[Rendered]]] = {
    name: lambda songs, play=play, first=number * 1_000_000: play(composed(first, songs))  # type: ignore[misc]
    for number, (name, play) in enumerate(BANDS.items(), 1)
}
"""What accuracy is stated for: by name, sets of that many songs."""


def fitting() -> Iterator[Rendered]:
    """Other songs, to fit to: 200 on our own synthesiser, 300 on the soundfonts of set A."""
    return chain(own(composed(5_000_000, 200)), fluid(_FONTS, composed(6_000_000, 300)))


def drumming() -> Iterator[Rendered]:
    """60 pieces without any pitch, to fit to."""
    return chain(own(beating(7_000_000, 20)), fluid(_FONTS, beating(8_000_000, 40)))


def _part(voice: Voice, beat: float) -> Part:
    drums = voice.timbre == "drums"
    return Part(
        instrument(voice),
        tuple(
            Note(
                note.start / beat,
                (note.end - note.start) / beat,
                _drum(note.pitch) if drums else note.pitch,
                note.velocity / 127,
            )
            for note in voice.line
        ),
        gain=(voice.volume / 127) ** 2,
        pan=(voice.pan - 64) / 64,
    )


def _drum(pitch: int) -> int:
    if pitch in _KICKS:
        return KICK
    if pitch in _OPEN:
        return OPEN_HAT
    return CLOSED_HAT if pitch in _HATS else SNARE


def _pulse(song: Song, beats: NDArray[np.float64]) -> tuple[bool, bool]:
    """Whether notes start on most beats, and more on the beat than at any other place of it."""
    beat = 60.0 / song.tempo
    struck: dict[tuple[int, int], float] = {}
    for number, voice in enumerate(song.voices):
        for note in voice.line:
            # Chords and strokes at one time are one start.
            at = number, round(note.start / beat * 12)
            struck[at] = max(struck.get(at, 0.0), note.velocity * voice.volume)
    places = np.zeros(12)
    for (_, step), weight in struck.items():
        places[step % 12] += weight
    on = {step // 12 for _, step in struck if step % 12 == 0}
    return len(on & set(range(len(beats)))) >= 0.6 * len(beats), bool(places.argmax() == 0)


def _chords(song: Song) -> Iterator[tuple[float, float, int]]:
    if song.mode is None:
        return
    bar = song.beats * 60.0 / song.tempo
    for place, degree in enumerate(song.chords):
        start, end = place * bar, (place + 1) * bar
        root = harmony.root(song.tonic, song.mode, degree, 60)
        others = harmony.chord(song.tonic, song.mode, degree, 60, 3)
        steps = {(pitch - root) % 12 for pitch in others}
        if steps in ({0, 4, 7}, {0, 3, 7}):
            label = root % 12 + 12 * (3 in steps)
            played, low = _played(song, start, end)
            sounding = all(played[(root + step) % 12] for step in steps)
            if sounding and int(np.argmax(_TRIADS @ played + 0.5 * np.tile(low, 2))) == label:
                yield start, end, label


def _played(
    song: Song, start: float, end: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of the pitch classes in what is played, by time and loudness, and of the lowest."""
    shares, low = np.zeros(12), np.zeros(12)
    times = np.linspace(start, end, 17)[:-1] + (end - start) / 32
    lowest = np.full(len(times), 128)
    for voice in song.voices:
        for note in voice.line if voice.timbre != "drums" else ():
            inside = (times >= note.start) & (times < note.end)
            shares[note.pitch % 12] += inside.sum() * note.velocity * voice.volume
            lowest[inside] = np.minimum(lowest[inside], note.pitch)
    np.add.at(low, lowest[lowest < 128] % 12, 1.0)
    return shares / max(shares.sum(), 1e-9), low / max(low.sum(), 1.0)
