"""Real recordings: every re-encoding of one is nearest to it, by far."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from retrieval.audio import open_audio
from retrieval.encoders.audio_pass import forward_tracks, prepare_track
from retrieval.encoders.perceptual import PerceptualEncoder
from tests import signals

FOLDER = Path(__file__).parents[2].parent / "shared" / "audio"
NAMES = (
    "brahms",
    "fishin",
    "humpback",
    "nutcracker",
    "robin",
    "speech",
    "trumpet",
    "vibeace",
)
COPIES = {
    "flac": {"format": "flac"},
    "mp3 128k": {"format": "mp3", "bit_rate": 128_000},
    "mp3 192k": {"format": "mp3", "bit_rate": 192_000},
    "aac 128k": {"format": "m4a", "bit_rate": 128_000},
    "opus": {"format": "opus"},
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER}")


def encode(source: Path | bytes) -> np.ndarray:
    encoder = PerceptualEncoder()
    with open_audio(source) as reader:
        prepared = prepare_track(reader, [encoder])
    return forward_tracks([prepared], [encoder])[0].vectors["perceptual"]


@cache
def originals() -> np.ndarray:
    return np.stack([encode(FOLDER / f"{name}.ogg") for name in NAMES])


@cache
def excerpts() -> np.ndarray:
    return np.stack([encode(signals.encode(*excerpt(name))) for name in NAMES])


@cache
def excerpt(name: str) -> tuple[np.ndarray, int]:
    """The first twenty seconds."""
    path = FOLDER / f"{name}.ogg"
    rate = soundfile.info(path).samplerate
    return soundfile.read(path, frames=20 * rate, dtype="float32", always_2d=True)


def check_nearest(vector: np.ndarray, tracks: np.ndarray, own: int) -> None:
    for scale in (np.array(PerceptualEncoder.reference.std), tracks.std(axis=0)):
        distances = np.sqrt(np.square((tracks - vector) / scale).sum(axis=1))
        assert np.argmin(distances) == own
        assert distances[own] < 0.35 * np.delete(distances, own).min()


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("name", NAMES)
def test_a_copy_finds_its_original(name: str, copy: str) -> None:
    vector = encode(signals.encode(*excerpt(name), **COPIES[copy]))
    check_nearest(vector, excerpts(), NAMES.index(name))


@pytest.mark.slow
@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("name", NAMES)
def test_a_whole_copy_finds_its_original(name: str, copy: str) -> None:
    samples, rate = soundfile.read(FOLDER / f"{name}.ogg", dtype="float32", always_2d=True)
    vector = encode(signals.encode(samples, rate, **COPIES[copy]))
    check_nearest(vector, originals(), NAMES.index(name))


@pytest.mark.parametrize("name", ["trumpet", "robin", "speech"])
def test_a_copy_of_a_short_one_finds_it_among_whole_tracks(name: str) -> None:
    for copy in COPIES.values():
        vector = encode(signals.encode(*excerpt(name), **copy))
        check_nearest(vector, originals(), NAMES.index(name))


def test_tracks_lie_where_one_hears_them() -> None:
    values = dict(zip(NAMES, originals(), strict=True))
    dims = {name: i for i, name in enumerate(PerceptualEncoder().space.dims)}

    def value(track: str, dim: str) -> float:
        return float(values[track][dims[dim]])

    assert value("robin", "brightness") == max(value(n, "brightness") for n in NAMES)
    assert value("robin", "warmth") == min(value(n, "warmth") for n in NAMES)
    assert value("vibeace", "brightness") == min(value(n, "brightness") for n in NAMES)
    music = ("brahms", "fishin", "nutcracker", "trumpet", "vibeace")
    other = ("humpback", "speech")
    assert min(value(n, "harmony") for n in music) > max(value(n, "harmony") for n in other) + 3
    assert min(value(n, "rhythm") for n in music) > max(value(n, "rhythm") for n in other) + 3
    # F major and D major against F sharp minor and E minor.
    assert min(value("trumpet", "valence"), value("fishin", "valence")) > 20
    assert max(value("brahms", "valence"), value("nutcracker", "valence")) < 0
