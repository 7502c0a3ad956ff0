"""Rendered sound: singing, what is not music, effects, and shards where soundfonts are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from indexer.training.augment import augment, round_trip
from indexer.training.nonmusic import RATE, SOUNDS
from indexer.training.parts import Played
from indexer.training.shards import read_shard
from indexer.training.singing import sing


@pytest.mark.parametrize("name", [name for name in SOUNDS if name != "speech"])
def test_sounds_are_finite_and_differ_by_seed(name: str) -> None:
    one, two = (SOUNDS[name](3.0, np.random.default_rng(seed)) for seed in (1, 2))
    assert one.shape == (3 * RATE,)
    assert one.dtype == np.float32
    assert np.isfinite(one).all()
    assert 0.01 < np.abs(one).max() < 5
    assert not np.array_equal(one, two)
    assert np.array_equal(one, SOUNDS[name](3.0, np.random.default_rng(1)))


def test_a_singer_hits_the_note() -> None:
    sound = sing((Played(0.1, 1.9, 69, 100),), 2 * RATE, RATE, np.random.default_rng(4))
    spectrum = np.abs(np.fft.rfft(sound[RATE // 2 : RATE // 2 + 8_192] * np.hanning(8_192)))
    hertz = np.fft.rfftfreq(8_192, 1 / RATE)
    near = spectrum[np.abs(hertz - 440) < 15].max()
    assert near > 5 * spectrum[(hertz > 500) & (hertz < 800)].max()
    assert not sound[: RATE // 20].any()


def test_effects_keep_length_and_level() -> None:
    sound = SOUNDS["bird song"](2.0, np.random.default_rng(0))
    for seed in range(12):
        changed = augment(sound, np.random.default_rng(seed))
        assert changed.shape == sound.shape
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert np.abs(changed).max() <= 1.0
    untouched = augment(sound, np.random.default_rng(0), strength=0.0)
    correlation = np.corrcoef(sound, untouched)[0, 1]
    assert correlation > 0.9999


@pytest.mark.parametrize(("container", "codec"), [("mp3", "libmp3lame"), ("ogg", "libopus")])
def test_there_and_back_through_a_codec(container: str, codec: str) -> None:
    sound = np.sin(2 * np.pi * 700 * np.arange(RATE) / RATE).astype(np.float32) * 0.5
    back = round_trip(sound, container, codec, 64_000)
    assert back.shape == sound.shape
    assert np.abs(back).max() == pytest.approx(0.5, abs=0.1)
    assert not np.array_equal(back, sound)


def test_a_shard_is_rendered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fluidsynth")
    from indexer.training import dataset, render

    missing = [font for font in render.TRAINING if not (render.FOLDER / font).is_file()]
    if missing or shutil.which("espeak-ng") is None:
        pytest.skip(f"not installed: {', '.join(missing) or 'espeak-ng'}")
    monkeypatch.setattr(dataset, "SONGS", 1)
    monkeypatch.setattr(dataset, "STRAY", 2)
    name = dataset.write_shard(tmp_path, dataset.SPLITS["train"], 0)
    shard = read_shard(tmp_path, name)
    assert len(shard.mel) == len(shard.pitch) == len(shard.truths) == dataset.WINDOWS + 2
    assert len({truth.song for truth in shard.truths}) == 3
    written = (tmp_path / f"{name}.npz").stat().st_mtime_ns
    assert dataset.write_shard(tmp_path, dataset.SPLITS["train"], 0) == name
    assert (tmp_path / f"{name}.npz").stat().st_mtime_ns == written
