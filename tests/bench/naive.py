"""The loop that one would write with librosa: load a file whole, ask for features, average.

It computes the ten descriptors of ``retrieval.encoders.perceptual_dims`` from librosa's own
features, each call with the parameters of ours where librosa takes them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import librosa
import numpy as np
from numpy.typing import NDArray

RATE = 22_050
FFT, HOP, MELS = 2_048, 512, 48
TONAL_FFT, TONAL_HOP = 8_192, 2_048
WINDOW_SECONDS = 10.0
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)

Row = NDArray[np.float64]


def index(paths: list[Path]) -> Row:
    """Ten descriptors per file, shape (files, 10)."""
    return np.array([track(path) for path in paths])


def track(path: Path) -> Row:
    """The mean over windows of 10 s."""
    y, _ = librosa.load(path, sr=RATE, mono=True)
    size = round(WINDOW_SECONDS * RATE)
    windows = [y[start : start + size] for start in range(0, len(y), size)]
    kept = [window for window in windows if len(window) >= RATE] or windows[:1]
    return np.average([describe(w) for w in kept], axis=0, weights=[len(w) for w in kept])


def describe(y: NDArray[np.float32]) -> Row:
    """The ten descriptors of one window."""
    y = librosa.util.normalize(y)
    timbre: dict[str, Any] = {"n_fft": FFT, "hop_length": HOP}
    mel = librosa.feature.melspectrogram(y=y, sr=RATE, n_mels=MELS, **timbre)
    flatness = 10 * np.log10(librosa.feature.spectral_flatness(y=y, **timbre) + 1e-12).mean()
    bandwidth = librosa.feature.spectral_bandwidth(y=y, sr=RATE, **timbre).mean()
    cepstra = librosa.feature.mfcc(y=y, sr=RATE, n_mfcc=14, n_mels=MELS, **timbre)[1:]
    centroid = librosa.feature.spectral_centroid(y=y, sr=RATE, **timbre).mean()
    rolloff = librosa.feature.spectral_rolloff(y=y, sr=RATE, **timbre).mean()
    onsets = librosa.onset.onset_strength(y=y, sr=RATE, hop_length=HOP)
    tempo = float(np.atleast_1d(librosa.feature.tempo(onset_envelope=onsets, sr=RATE))[0])
    density = len(librosa.onset.onset_detect(onset_envelope=onsets, sr=RATE)) / (len(y) / RATE)
    chroma = librosa.feature.chroma_stft(y=y, sr=RATE, n_fft=TONAL_FFT, hop_length=TONAL_HOP)
    level = 20 * np.log10(librosa.feature.rms(y=y).mean() + 1e-6)

    clarity = _clarity(onsets)
    fit, mode = _tonality(chroma.mean(axis=1))
    octaves = 0.5 * (np.log2(max(100.0, centroid)) + np.log2(max(100.0, rolloff)))
    bright = 100 * (octaves - np.log2(100)) / np.log2(100)
    pace = 0.5 * (np.log2(tempo / 100) + np.log2((density + 0.1) / 2.1))
    speed = 100 / (1 + np.exp(-1.2 * pace))
    cues = 0.03 * (speed - 50) + 0.03 * (bright - 45) + (clarity - 0.5) + 0.012 * (level + 20)
    return np.array(
        [
            0.2 * (flatness + 20) + 4 * (np.log2(1 + bandwidth / max(1.0, centroid)) - 1),
            _variation(cepstra),
            20 * clarity - 10,
            _warmth(mel),
            25 * fit - 10,
            bright,
            _trend(y),
            speed,
            100 / (1 + np.exp(-cues)),
            100 * np.tanh(1.5 * mode + 0.008 * (speed - 50) + 0.004 * (bright - 45)),
        ]
    )


def _variation(cepstra: Row) -> float:
    size = round(0.5 * RATE / HOP)
    blocks = librosa.util.sync(cepstra, range(0, cepstra.shape[1], size))
    lags = [lag for lag in (1, 4) if lag < blocks.shape[1]]
    steps = [np.linalg.norm(blocks[:, lag:] - blocks[:, :-lag], axis=0).mean() for lag in lags]
    return float(5 * np.log2((np.mean(steps or [0.0]) + 0.25) / 3))


def _clarity(onsets: Row) -> float:
    curve = librosa.autocorrelate(onsets - onsets.mean())
    first, last = round(0.25 * RATE / HOP), round(1.5 * RATE / HOP)
    return float(np.clip(curve[first:last] / (curve[0] + 1e-9), 0, 1).max(initial=0.0))


def _warmth(mel: Row) -> float:
    low = mel[librosa.mel_frequencies(n_mels=MELS, fmax=RATE / 2) < 350].sum()
    floor = 1e-3 * mel.sum() + 1e-12
    return float(10 / 3 * np.log10((low + floor) / (mel.sum() - low + floor)))


def _tonality(chroma: Row) -> tuple[float, float]:
    fits = [
        max(np.corrcoef(np.roll(profile, k), chroma)[0, 1] for k in range(12))
        for profile in (_MAJOR, _MINOR)
    ]
    return float(max(fits)), float(np.tanh(5 * (fits[0] - fits[1])))


def _trend(y: NDArray[np.float32]) -> float:
    magnitude = np.abs(librosa.stft(y, n_fft=TONAL_FFT, hop_length=TONAL_HOP))
    hertz = librosa.fft_frequencies(sr=RATE, n_fft=TONAL_FFT)
    salience = librosa.salience(
        magnitude,
        freqs=hertz,
        harmonics=range(1, 9),
        weights=[0.8**n for n in range(8)],
        fill_value=0,
    )
    inside = (hertz >= 55) & (hertz < 880)
    best = salience[inside].argmax(axis=0)
    pitch = 12 * np.log2(hertz[inside][best] / 55)
    weight = salience[inside].max(axis=0)
    seconds = np.arange(len(pitch)) * TONAL_HOP / RATE
    if len(pitch) < 2 or weight.max() <= 0:
        return 50.0
    slope = np.polyfit(seconds, pitch, 1, w=np.sqrt(weight))[0]
    return float(50 + 50 * np.tanh(slope / 4))
