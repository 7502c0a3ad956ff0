"""Spectral statistics and MFCC of sounds whose spectrum is known."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.describe.mfcc import COEFFICIENTS, Mfcc
from retrieval.describe.pictures import fine_spectrogram, mel_spectrogram
from retrieval.describe.protocol import RATE, Sound
from retrieval.describe.timbre import Timbre
from tests.describe.sounds import heard
from tests.signals import noise, sine


def timbre(sound: Sound) -> dict[str, float]:
    return dict(Timbre().describe(sound).scalars)  # type: ignore[arg-type]


def test_a_tone_and_noise_are_what_they_are() -> None:
    tone, white = timbre(heard(sine(3000, 3.0, RATE), RATE)), timbre(heard(noise(3.0, RATE), RATE))
    assert tone["spectral_centroid"] == pytest.approx(3000, rel=0.02)
    assert tone["spectral_rolloff"] == pytest.approx(3000, rel=0.02)
    assert white["spectral_centroid"] == pytest.approx(RATE / 4, rel=0.03)
    assert white["spectral_rolloff"] == pytest.approx(0.85 * RATE / 2, rel=0.03)
    assert white["spectral_bandwidth"] == pytest.approx(RATE / 2 / 12**0.5, rel=0.05)
    assert tone["spectral_flatness"] < 0.001
    assert white["spectral_flatness"] > 0.5
    buzz = sum(sine(150.0 * n, 3.0, RATE, 0.02) for n in range(1, 70))
    assert timbre(heard(buzz, RATE))["spectral_contrast"] > 1.5 * white["spectral_contrast"]


def test_timbre_is_free_of_level_and_of_silence_around_it() -> None:
    loud = noise(3.0, band=(200, 4000))
    quiet = np.concatenate([np.zeros(44_100), 0.05 * loud, np.zeros(88_200)]).astype(np.float32)
    first, second = timbre(heard(loud)), timbre(heard(quiet))
    for name in ("spectral_centroid", "spectral_bandwidth", "spectral_rolloff"):
        assert second[name] == pytest.approx(first[name], rel=0.05)


def test_silence_has_no_timbre() -> None:
    silence = heard(np.zeros(44_100, dtype=np.float32))
    for descriptor in (Timbre(), Mfcc()):
        assert descriptor.describe(silence).scalars == {}


def test_the_spectrum_follows_the_sound() -> None:
    sound = heard(np.concatenate([sine(500, 3.0), sine(4000, 3.0)]))
    (spectrum,) = Timbre().describe(sound).series
    centroid = spectrum.values[:, 0]
    assert centroid[np.searchsorted(spectrum.starts, 1.5)] == pytest.approx(500, rel=0.05)
    assert centroid[np.searchsorted(spectrum.starts, 4.5)] == pytest.approx(4000, rel=0.05)


def test_mfcc_are_those_of_librosa() -> None:
    librosa = pytest.importorskip("librosa")
    sound = heard(noise(2.0, band=(100, 3000)) + sine(440, 2.0))
    facts = Mfcc().describe(sound).scalars
    wanted = librosa.feature.mfcc(y=sound.samples, sr=RATE, n_mfcc=COEFFICIENTS)
    assert np.allclose(facts["mfcc_mean"], wanted.mean(axis=1), atol=0.1)
    assert np.allclose(facts["mfcc_std"], wanted.std(axis=1), atol=0.1)


def test_mfcc_tell_a_shape_from_its_opposite() -> None:
    low = Mfcc().describe(heard(noise(2.0, band=(50, 500)))).scalars["mfcc_mean"]
    high = Mfcc().describe(heard(noise(2.0, band=(5000, 10_000)))).scalars["mfcc_mean"]
    assert len(low) == COEFFICIENTS  # type: ignore[arg-type]
    assert low[1] > 0 > high[1]  # type: ignore[index]


def test_spectrograms_are_computed_once_and_frames_are_centred() -> None:
    silence = np.zeros(RATE, dtype=np.float32)
    click = silence.copy()
    click[512 * 20] = 1.0
    sound = Sound(click, 1.0, heard(silence, RATE).levels)
    mel = sound.share(mel_spectrogram)
    assert mel is sound.share(mel_spectrogram)
    assert mel.shape == (RATE // 512 + 1, 128) and int(mel.sum(axis=1).argmax()) == 20
    fine = heard(sine(440, 2.0)).share(fine_spectrogram)
    assert fine.mean(axis=0).argmax() * RATE / 8192 == pytest.approx(440, abs=1.5)
