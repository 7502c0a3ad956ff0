"""Sounds that are not music: speech, animals, weather and machines."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Sound = NDArray[np.float32]
Wide = NDArray[np.float64]

RATE = 22_050
"""Hz of everything here."""

_VOICES = (
    *("en", "en-us", "en-gb-scotland", "de", "fr", "es", "it", "pt", "nl", "sv", "pl", "ru", "tr"),
    *("cs", "el", "fi", "hu", "hi", "id", "vi", "cmn", "ko", "ar", "la", "eo"),
)
_VARIANTS = ("", *(f"+m{n}" for n in range(1, 9)), *(f"+f{n}" for n in range(1, 6)), "+whisper")
_CONSONANTS = ("b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "tr", "v", "z")
_VOWELS = ("a", "e", "i", "o", "u", "an", "el", "in")


def speech(seconds: float, rng: np.random.Generator) -> Sound:
    """Someone who talks, in one of many languages; the words mean nothing.

    Raises:
        FileNotFoundError: If espeak-ng is not installed.
    """
    words = []
    for _ in range(int(seconds * 4)):
        syllables = range(int(rng.integers(1, 4)))
        words.append("".join(rng.choice(_CONSONANTS) + rng.choice(_VOWELS) for _ in syllables))
        if rng.random() < 0.15:
            words.append(str(rng.choice([".", ",", "?"])))
    voice = str(rng.choice(_VOICES)) + str(rng.choice(_VARIANTS))
    command = [
        *("espeak-ng", "-v", voice, "-p", str(int(rng.integers(15, 85)))),
        *("-s", str(int(rng.integers(110, 210))), "--stdout", " ".join(words)),
    ]
    wav = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout  # noqa: S603 - our own words
    # What comes out of a pipe has a length in its header that nobody could know.
    sound = np.frombuffer(wav[44:], dtype="<i2").astype(np.float32) / 32_768.0
    rate = int(soundfile.info(BytesIO(wav)).samplerate)
    sound = soxr.resample(sound, rate, RATE)
    return np.resize(sound, int(seconds * RATE)) if len(sound) else np.zeros(1, np.float32)


def bird(seconds: float, rng: np.random.Generator) -> Sound:
    """Chirps, trills and whistles with pauses, over a little air."""
    out = np.zeros(int(seconds * RATE))
    low, high = sorted(rng.uniform(1_800, 8_000, size=2))
    high = max(high, low * 1.3)
    phrases = [_chirps(low, high, rng) for _ in range(int(rng.integers(1, 4)))]
    at = float(rng.uniform(0, 0.5))
    pause = float(rng.uniform(0.2, 1.6))
    while at < seconds:
        phrase = phrases[int(rng.integers(len(phrases)))]
        start = int(at * RATE)
        stop = min(len(out), start + len(phrase))
        out[start:stop] += phrase[: stop - start] * rng.uniform(0.6, 1.0)
        at += len(phrase) / RATE + pause * float(rng.uniform(0.5, 1.5))
    return _with_air(out, rng, 0.002, 0.03)


def _chirps(low: float, high: float, rng: np.random.Generator) -> Wide:
    parts = []
    for _ in range(int(rng.integers(1, 9))):
        length = float(rng.choice([rng.uniform(0.02, 0.08), rng.uniform(0.08, 0.4)]))
        samples = max(64, int(length * RATE))
        knots = rng.uniform(low, high, size=int(rng.integers(2, 5)))
        pitch = np.interp(np.linspace(0, 1, samples), np.linspace(0, 1, len(knots)), knots)
        if rng.random() < 0.3:
            depth, speed = rng.uniform(0.03, 0.15), rng.uniform(15, 60)
            pitch *= 1 + depth * np.sin(2 * np.pi * speed * np.arange(samples) / RATE)
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        note = np.sin(phase) + rng.uniform(0, 0.2) * np.sin(2 * phase)
        parts += [note * np.hanning(samples) ** 0.5, np.zeros(int(rng.uniform(0.01, 0.12) * RATE))]
    return np.concatenate(parts) * 0.5


def whale(seconds: float, rng: np.random.Generator) -> Sound:
    """Long moans and cries that glide, far away under water."""
    out = np.zeros(int(seconds * RATE))
    at = float(rng.uniform(0, 1.0))
    while at < seconds:
        length = float(rng.uniform(0.4, 3.5))
        samples = int(length * RATE)
        base = float(np.exp(rng.uniform(np.log(70), np.log(1_500))))
        knots = base * 2.0 ** rng.uniform(-0.7, 0.7, size=int(rng.integers(2, 5)))
        pitch = np.interp(np.linspace(0, 1, samples), np.linspace(0, 1, len(knots)), knots)
        pitch *= 1 + 0.01 * np.sin(2 * np.pi * rng.uniform(3, 9) * np.arange(samples) / RATE)
        phase = 2 * np.pi * np.cumsum(pitch) / RATE
        levels = rng.uniform(0, 1, size=6) / np.arange(1, 7) ** rng.uniform(0.3, 1.5)
        call = sum(level * np.sin((k + 1) * phase) for k, level in enumerate(levels))
        if rng.random() < 0.3:
            call = call * (1 + np.sin(2 * np.pi * rng.uniform(15, 60) * np.arange(samples) / RATE))
        start = int(at * RATE)
        stop = min(len(out), start + samples)
        out[start:stop] += (np.hanning(samples) ** 0.7 * call)[: stop - start] * rng.uniform(
            0.2, 0.5
        )
        at += length * float(rng.uniform(0.6, 1.2)) + float(rng.uniform(0, 1.2))
    echo = int(rng.uniform(0.2, 0.7) * RATE)
    out[echo:] += 0.4 * out[:-echo]
    noise = coloured(len(out), float(rng.uniform(1.0, 2.0)), rng)
    return np.asarray(out + rng.uniform(0.01, 0.12) * noise, dtype=np.float32)


def coloured(samples: int, slope: float, rng: np.random.Generator) -> Wide:
    """Noise of unit deviation whose power falls with frequency to the power ``slope``."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** (slope / 2)
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, samples)
    return np.asarray(noise / max(1e-9, float(noise.std())))


def _wind(seconds: float, rng: np.random.Generator) -> Sound:
    samples = int(seconds * RATE)
    gusts = np.interp(np.arange(samples), np.linspace(0, samples, 12), rng.uniform(0.1, 1, 12))
    return np.asarray(0.2 * gusts * coloured(samples, 1.6, rng), dtype=np.float32)


def _rain(seconds: float, rng: np.random.Generator) -> Sound:
    samples = int(seconds * RATE)
    drops = (rng.random(samples) < rng.uniform(0.0005, 0.01)) * rng.uniform(0.2, 1, samples)
    tail = np.exp(-np.arange(400) / rng.uniform(10, 80)) * rng.standard_normal(400)
    wet = np.convolve(drops, tail)[:samples]
    return np.asarray(0.15 * wet + 0.05 * coloured(samples, 0.3, rng), dtype=np.float32)


def _waves(seconds: float, rng: np.random.Generator) -> Sound:
    samples = int(seconds * RATE)
    t = np.arange(samples) / RATE
    swell = 0.5 + 0.5 * np.sin(2 * np.pi * t / rng.uniform(4, 9) + rng.uniform(0, 6))
    return np.asarray(0.2 * (0.1 + swell**2) * coloured(samples, 1.0, rng), dtype=np.float32)


def _engine(seconds: float, rng: np.random.Generator) -> Sound:
    samples = int(seconds * RATE)
    knots = rng.uniform(25, 120, size=4)
    pitch = np.interp(np.arange(samples), np.linspace(0, samples, 4), knots)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    levels = rng.uniform(0.2, 1, 20) / np.arange(1, 21) ** 0.7
    sound = sum(level * np.sin((k + 1) * phase) for k, level in enumerate(levels))
    return np.asarray(0.08 * sound + 0.04 * coloured(samples, 1.0, rng), dtype=np.float32)


def _crickets(seconds: float, rng: np.random.Generator) -> Sound:
    t = np.arange(int(seconds * RATE)) / RATE
    rate, chirp = rng.uniform(1.5, 5), rng.uniform(25, 45)
    gate = (np.sin(2 * np.pi * rate * t) > rng.uniform(-0.2, 0.6)) * (
        0.5 + 0.5 * np.sin(2 * np.pi * chirp * t)
    )
    return _with_air(
        0.3 * gate * np.sin(2 * np.pi * rng.uniform(3_500, 6_000) * t), rng, 0.005, 0.03
    )


def _clock(seconds: float, rng: np.random.Generator) -> Sound:
    out = np.zeros(int(seconds * RATE))
    step = float(rng.choice([0.5, 1.0, 0.25]))
    for place, at in enumerate(np.arange(0, seconds, step)):
        tail = np.arange(1_200) / RATE
        click = np.exp(-tail * 150) * np.sin(2 * np.pi * (2_500 + 700 * (place % 2)) * tail)
        start = int(at * RATE)
        stop = min(len(out), start + len(click))
        out[start:stop] += 0.5 * click[: stop - start]
    return _with_air(out, rng, 0.001, 0.01)


def _applause(seconds: float, rng: np.random.Generator) -> Sound:
    samples = int(seconds * RATE)
    claps = (rng.random(samples) < 0.004) * rng.uniform(0.2, 1, samples)
    tail = np.exp(-np.arange(500) / 60.0) * rng.standard_normal(500)
    sound = np.convolve(claps, tail)[:samples]
    return np.asarray(0.1 * sound, dtype=np.float32)


def _noise(seconds: float, rng: np.random.Generator) -> Sound:
    noise = coloured(int(seconds * RATE), float(rng.uniform(0, 2)), rng)
    return np.asarray(0.1 * noise, dtype=np.float32)


def _beeps(seconds: float, rng: np.random.Generator) -> Sound:
    t = np.arange(int(seconds * RATE)) / RATE
    gate = np.sin(2 * np.pi * rng.uniform(0.5, 4) * t) > 0
    return _with_air(0.3 * gate * np.sin(2 * np.pi * rng.uniform(300, 3_000) * t), rng, 0.001, 0.02)


def _with_air(
    sound: NDArray[np.floating[Any]], rng: np.random.Generator, low: float, high: float
) -> Sound:
    air = coloured(len(sound), float(rng.uniform(0.3, 1.5)), rng)
    return np.asarray(sound + rng.uniform(low, high) * air, dtype=np.float32)


SOUNDS: Mapping[str, Callable[[float, np.random.Generator], Sound]] = MappingProxyType(
    {
        "speech": speech,
        "bird song": bird,
        "whale song": whale,
        "wind": _wind,
        "rain": _rain,
        "ocean waves": _waves,
        "engine": _engine,
        "crickets": _crickets,
        "clock ticking": _clock,
        "applause": _applause,
        "noise": _noise,
        "beeps": _beeps,
    }
)
"""By the name that captions give them."""
