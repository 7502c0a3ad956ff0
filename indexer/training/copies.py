"""Whether a recording is known again when it comes back from a codec, at another level or speed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import av
import numpy as np
import soxr
from numpy.typing import NDArray

from indexer.training.augment import round_trip
from indexer.training.compose import compose
from indexer.training.dataset import SPLITS
from indexer.training.render import RATE, Band
from retrieval.encoders.ear_frontend import SAMPLE_RATE, SECONDS, listen
from retrieval.encoders.ear_towers import EarAudio

Sound = NDArray[np.float32]

_AFTER_EVALUATION = 5_000
"""Songs of the split that come before these: the shards are made of them."""


def stretch(sound: Sound, factor: float) -> Sound:
    """FFmpeg's ``atempo``: as much faster as the factor says, at the same pitch."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=SAMPLE_RATE, format="flt", layout="mono")
    tempo = graph.add("atempo", f"{factor:.6f}")
    sink = graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
    frame.sample_rate = SAMPLE_RATE
    graph.push(frame)
    graph.push(None)
    parts: list[Sound] = []
    while True:
        try:
            part = sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return np.concatenate(parts)
        if isinstance(part, av.AudioFrame):
            parts.append(part.to_ndarray()[0])


COPIES: Mapping[str, Callable[[Sound], Sound]] = {
    "MP3, 64 kbit/s": lambda sound: round_trip(sound, "mp3", "libmp3lame", 64_000),
    "Opus, 32 kbit/s": lambda sound: round_trip(sound, "ogg", "libopus", 32_000),
    "12 dB softer": lambda sound: sound * np.float32(0.25),
    "1 % faster": lambda sound: stretch(sound, 1.01),
    "1 % slower": lambda sound: stretch(sound, 0.99),
}


def copies(ear: EarAudio, songs: int = 60) -> dict[str, float]:
    """The share of windows of copies that find a window of their original first.

    Args:
        ear: Towers with their weights.
        songs: Held-out compositions; the pool is every window of all of them.

    Returns:
        By copy, and ``pool``, the number of windows.

    Raises:
        FileNotFoundError: If a soundfont is not installed.
    """
    originals = list(_sounds(songs))
    pool, owners = _vectors(originals, ear)
    found = {"pool": float(len(pool))}
    for name, change in COPIES.items():
        changed, whose = _vectors([change(sound) for sound in originals], ear)
        nearest = owners[(changed @ pool.T).argmax(axis=1)]
        found[name] = float((nearest == whose).mean())
    return found


def _sounds(songs: int) -> Iterator[Sound]:
    split = SPLITS["test"]
    band = Band(split.fonts, split.shares)
    try:
        for seed in range(songs):
            song = compose(split.seed + _AFTER_EVALUATION + seed)
            yield soxr.resample(band.play(song), RATE, SAMPLE_RATE).astype(np.float32)
    finally:
        band.close()


def _vectors(sounds: list[Sound], ear: EarAudio) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    vectors, owners = [], []
    size = int(SECONDS * SAMPLE_RATE)
    for owner, sound in enumerate(sounds):
        for start in range(0, max(1, len(sound) - size // 2), size):
            found = ear(listen(sound[start : start + size]))
            vectors.append(np.concatenate([found.meaning, found.identity]) / np.sqrt(2.0))
            owners.append(owner)
    return np.stack(vectors).astype(np.float32), np.asarray(owners)
