"""Windows with their truth, rendered to shards that follow from split and number alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from indexer.training.augment import augment
from indexer.training.compose import Song, compose
from indexer.training.nonmusic import SOUNDS
from indexer.training.render import HELD_OUT, RATE, SHARES, TRAINING, Band
from indexer.training.truth import Truth, centroid, truth_of
from retrieval.encoders.ear_frontend import SAMPLE_RATE, SECONDS, Heard, listen

Sound = NDArray[np.float32]

SONGS = 100
"""Songs of a shard."""
STRAY = 24
"""Windows without music of a training shard."""
WINDOWS = 4
"""Windows of a song; the last is the first one again, moved a little and otherwise disturbed."""


@dataclass(frozen=True, slots=True)
class Split:
    """A part of the data.

    Attributes:
        name: Also the first part of a shard's name.
        seed: Of its first song; splits have no seed in common.
        fonts: Soundfonts that play.
        shares: How often each does.
        strength: Of the augmentation; 0 for clean renderings.
        stray: Whether windows without music are among them.
        scores: Which pieces of music21's corpus are played (``scores.Piece.split``); empty where
            songs are composed.
    """

    name: str
    seed: int
    fonts: tuple[str, ...]
    shares: tuple[float, ...]
    strength: float
    stray: bool = True
    scores: str = ""


SPLITS = {
    split.name: split
    for split in (
        Split("train", 0, TRAINING, SHARES, 1.0),
        Split("valid", 10_000_000, TRAINING, SHARES, 0.5),
        Split("test", 20_000_000, TRAINING, SHARES, 0.0, stray=False),
        Split("foreign", 30_000_000, HELD_OUT, (1.0,), 0.0, stray=False),
        Split("train-scores", 40_000_000, TRAINING, SHARES, 1.0, stray=False, scores="train"),
        Split("scores-valid", 70_000_000, TRAINING, SHARES, 0.5, stray=False, scores="valid"),
        Split("scores-test", 50_000_000, TRAINING, SHARES, 0.0, stray=False, scores="test"),
        Split("scores-foreign", 60_000_000, HELD_OUT, (1.0,), 0.0, stray=False, scores="test"),
    )
}
"""``foreign`` and ``scores-foreign`` are played on the soundfont that no other split has."""


def write_shard(folder: Path, split: Split, number: int) -> str:
    """Render one shard unless it is there; the name of its files without the ending."""
    name = f"{split.name}-{number:04d}"
    if (folder / f"{name}.jsonl").is_file():
        return name
    found = list(windows(split, number))
    part = folder / f"{name}.part.npz"
    np.savez(
        part,
        mel=np.stack([heard.mel for heard, _ in found]),
        pitch=np.stack([heard.pitch for heard, _ in found]),
    )
    part.replace(folder / f"{name}.npz")
    lines = "\n".join(json.dumps(truth.as_dict()) for _, truth in found)
    (folder / f"{name}.jsonl").write_text(lines + "\n", encoding="utf-8")
    return name


def windows(split: Split, number: int) -> Iterator[tuple[Heard, Truth]]:
    """The windows of a shard, with what is true of them."""
    band = Band(split.fonts, split.shares)
    rng = np.random.default_rng([split.seed, number])
    try:
        for song in _songs(split, split.seed + number * SONGS, number):
            yield from _windows_of(song, split, band, rng)
    finally:
        band.close()
    if split.stray:
        for place in range(STRAY):
            yield _stray(f"{split.name}-{number}-{place}", split, rng)


def _songs(split: Split, seed: int, number: int) -> Iterator[Song]:
    if split.scores:
        from indexer.training.arrange import songs

        yield from songs(split.scores, number, seed)
    else:
        yield from (compose(seed + place) for place in range(SONGS))


def _windows_of(
    song: Song, split: Split, band: Band, rng: np.random.Generator
) -> Iterator[tuple[Heard, Truth]]:
    sound = soxr.resample(band.play(song), RATE, SAMPLE_RATE).astype(np.float32)
    longest = len(sound) / SAMPLE_RATE - SECONDS
    first = float(rng.uniform(0, longest / 3))
    starts = [first, float(rng.uniform(longest / 3, 2 * longest / 3)), longest - 0.2 * first]
    starts.append(min(longest, first + float(rng.uniform(0, 1.5))))
    for place, start in enumerate(starts[:WINDOWS]):
        begin = int(start * SAMPLE_RATE)
        window = sound[begin : begin + int(SECONDS * SAMPLE_RATE)]
        if float(np.abs(window).max(initial=0.0)) < 1e-4:
            continue
        bright = centroid(window, SAMPLE_RATE)
        truth = truth_of(song, f"{split.name}-{song.seed}", start, start + SECONDS, bright)
        if place == WINDOWS - 1 and split.strength > 0:
            # A hundredth faster or slower, pitch and all, leaves it the same recording.
            window = _speed(window, float(rng.uniform(0.985, 1.015)))
        if split.stray and rng.random() < 0.08:
            window, truth = _with_sound(window, truth, rng)
        if split.strength > 0:
            window = augment(window, rng, strength=split.strength)
        yield listen(window), truth


def _with_sound(window: Sound, truth: Truth, rng: np.random.Generator) -> tuple[Sound, Truth]:
    """Music with someone talking over it, or with weather in it."""
    name = "speech" if rng.random() < 0.6 else str(rng.choice(list(SOUNDS)))
    other = SOUNDS[name](SECONDS, rng)
    level = float(rng.uniform(0.3, 1.2)) * _loudness(window) / max(1e-6, _loudness(other))
    mixed = np.asarray(window + level * np.resize(other, len(window)), dtype=np.float32)
    return mixed, replace(truth, sounds=(name,), brightness=None)


def _stray(name: str, split: Split, rng: np.random.Generator) -> tuple[Heard, Truth]:
    label = str(rng.choice(list(SOUNDS), p=_SOUND_SHARES))
    length = float(rng.choice([SECONDS, rng.uniform(2.5, SECONDS)]))
    sound = SOUNDS[label](length, rng)
    heard = listen(augment(sound, rng, strength=split.strength))
    return _full(heard), Truth(name, "sound", sounds=(label,))


_SOUND_SHARES = np.array(
    [{"speech": 4.0, "bird song": 3.0, "whale song": 3.0}.get(name, 1.0) for name in SOUNDS]
)
_SOUND_SHARES /= _SOUND_SHARES.sum()


def _full(heard: Heard) -> Heard:
    """A short window repeated to the size of the others, as shards are rectangular."""
    frames = int(SECONDS * SAMPLE_RATE)
    wanted = listen_shape(frames)
    return Heard(_repeat(heard.mel, wanted[0]), _repeat(heard.pitch, wanted[1]))


def listen_shape(samples: int) -> tuple[int, int]:
    """Frames of both pictures of a window."""
    heard = listen(np.zeros(samples, dtype=np.float32))
    return heard.mel.shape[1], heard.pitch.shape[1]


def _repeat(image: NDArray[np.uint8], frames: int) -> NDArray[np.uint8]:
    return np.tile(image, (1, -(-frames // image.shape[1])))[:, :frames]


def _speed(sound: Sound, factor: float) -> Sound:
    place = np.arange(len(sound)) * factor
    return np.asarray(np.interp(place, np.arange(len(sound)), sound), dtype=np.float32)


def _loudness(sound: Sound) -> float:
    return float(np.sqrt((sound.astype(np.float64) ** 2).mean()))
