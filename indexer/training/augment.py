"""From a clean rendering toward what recordings are like, with the truth unchanged."""

from __future__ import annotations

from io import BytesIO

import av
import numpy as np
from numpy.typing import NDArray

from indexer.training.nonmusic import RATE, coloured

Sound = NDArray[np.float32]

_CODECS = (("mp3", "libmp3lame"), ("ogg", "libopus"), ("adts", "aac"))


def augment(sound: Sound, rng: np.random.Generator, *, strength: float = 1.0) -> Sound:
    """One random chain of effects.

    Args:
        sound: Mono at ``nonmusic.RATE``.
        rng: Source of every choice.
        strength: 0 leaves the sound alone, 1 is the usual range.

    Returns:
        Sound of the same length, peak at most 1.
    """
    chain = (
        (0.75, _equalise),
        (0.45, _room),
        (0.4, _compress),
        (0.55, _noise),
        (0.12, _band_limit),
        (0.06, _clip),
        (0.2, _codec),
    )
    for share, effect in chain:
        if rng.random() < share * strength:
            sound = effect(sound, rng)
    peak = float(np.abs(sound).max(initial=0.0))
    level = float(rng.uniform(0.1, 0.98))
    return np.asarray(sound * (level / max(peak, 1e-6)), dtype=np.float32)


def _equalise(sound: Sound, rng: np.random.Generator) -> Sound:
    """A smooth curve of a few dB, tilted as microphones, rooms and masterings are."""
    spectrum = np.fft.rfft(sound)
    octaves = np.log2(np.maximum(np.linspace(0, RATE / 2, len(spectrum)), 20.0))
    knots = np.linspace(octaves[0], octaves[-1], 7)
    gains = rng.normal(0, 4.0, size=7) + rng.normal(0, 1.2) * (np.arange(7) - 3)
    curve = 10.0 ** (np.interp(octaves, knots, gains) / 20.0)
    return np.asarray(np.fft.irfft(spectrum * curve, len(sound)), dtype=np.float32)


def _room(sound: Sound, rng: np.random.Generator) -> Sound:
    """Decaying noise as the answer of a room, darker with time, with a few early echoes."""
    seconds = float(np.exp(rng.uniform(np.log(0.15), np.log(2.5))))
    samples = int(seconds * RATE)
    t = np.arange(samples) / RATE
    tail = rng.standard_normal(samples) * np.exp(-6.9 * t / seconds)
    smooth = np.convolve(tail, np.ones(5) / 5, mode="same")
    tail = tail * np.exp(-3 * t / seconds) + smooth * (1 - np.exp(-3 * t / seconds))
    for _ in range(int(rng.integers(2, 8))):
        tail[int(rng.integers(20, max(21, min(samples, 1_500))))] += rng.uniform(0.5, 3)
    tail /= np.sqrt((tail**2).sum())
    size = 1 << (len(sound) + samples).bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(tail, size), size)[: len(sound)]
    share = float(rng.uniform(0.05, 0.6))
    loud = float(np.sqrt((sound**2).mean()) / max(1e-9, np.sqrt((wet**2).mean())))
    return np.asarray((1 - share) * sound + share * loud * wet, dtype=np.float32)


def _compress(sound: Sound, rng: np.random.Generator) -> Sound:
    """Loud passages made quieter, by an envelope over a tenth of a second."""
    hop = RATE // 50
    blocks = np.resize(sound, -(-len(sound) // hop) * hop).reshape(-1, hop)
    envelope = np.sqrt((blocks.astype(np.float64) ** 2).mean(axis=1)) + 1e-6
    envelope = np.convolve(envelope, np.ones(5) / 5, mode="same") + 1e-6
    ratio = float(rng.uniform(0.2, 0.7))
    gain = (envelope / envelope.max()) ** (-ratio)
    gain = np.minimum(gain, 10 ** (rng.uniform(6, 24) / 20))
    curve = np.interp(np.arange(len(sound)), (np.arange(len(gain)) + 0.5) * hop, gain)
    return np.asarray(sound * curve, dtype=np.float32)


def _noise(sound: Sound, rng: np.random.Generator) -> Sound:
    """Hiss, hum or the crackle of a record."""
    loud = float(np.sqrt((sound.astype(np.float64) ** 2).mean()))
    share = loud * 10 ** (-float(rng.uniform(12, 55)) / 20)
    noise = coloured(len(sound), float(rng.uniform(0, 1.8)), rng)
    if rng.random() < 0.15:
        t = np.arange(len(sound)) / RATE
        base = float(rng.choice([50.0, 60.0]))
        noise = noise * 0.3 + sum(np.sin(2 * np.pi * base * k * t) / k for k in (1, 2, 3, 5))
    if rng.random() < 0.15:
        noise = noise * 0.3 + 8 * (rng.random(len(sound)) < 0.0004) * rng.standard_normal(
            len(sound)
        )
    return np.asarray(sound + share * noise, dtype=np.float32)


def _band_limit(sound: Sound, rng: np.random.Generator) -> Sound:
    """What is left by a telephone, an old record or a low bit rate."""
    spectrum = np.fft.rfft(sound)
    hertz = np.linspace(0, RATE / 2, len(spectrum))
    low, high = float(rng.uniform(20, 300)), float(np.exp(rng.uniform(np.log(3e3), np.log(9e3))))
    spectrum *= 1.0 / (1.0 + (hertz / high) ** 12) / (1.0 + (low / np.maximum(hertz, 1.0)) ** 6)
    return np.asarray(np.fft.irfft(spectrum, len(sound)), dtype=np.float32)


def _clip(sound: Sound, rng: np.random.Generator) -> Sound:
    peak = float(np.abs(sound).max(initial=1e-6))
    drive = float(rng.uniform(1.5, 4.0)) / peak
    return np.asarray(np.tanh(sound * drive) / drive, dtype=np.float32)


def _codec(sound: Sound, rng: np.random.Generator) -> Sound:
    """There and back through a lossy format at a low or middling bit rate."""
    container, codec = _CODECS[int(rng.integers(len(_CODECS)))]
    bits = int(rng.choice([32, 48, 64, 96])) * 1_000
    try:
        return round_trip(sound, container, codec, bits)
    except av.FFmpegError:  # Not every build of FFmpeg has every encoder at every rate.
        return sound


def round_trip(sound: Sound, container: str, codec: str, bits: int) -> Sound:
    """A mono sound encoded and decoded again, cut or padded to its length.

    Args:
        sound: At ``nonmusic.RATE``.
        container: FFmpeg's name of a file format.
        codec: FFmpeg's name of an encoder.
        bits: Bits per second.

    Raises:
        av.FFmpegError: If this FFmpeg cannot do it.
    """
    rate = 24_000 if codec == "libopus" else RATE
    file = BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        assert isinstance(stream, av.AudioStream)  # noqa: S101 - all codecs here are for sound
        stream.bit_rate, stream.layout = bits, av.AudioLayout("mono")
        frame = av.AudioFrame.from_ndarray(sound[None, :], format="fltp", layout="mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler(stream.format, "mono", rate, stream.frame_size or 1_024)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(part))
        output.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as found:
        back = av.AudioResampler("fltp", "mono", RATE)
        parts = [p for f in found.decode(audio=0) for p in back.resample(f)]
        parts += back.resample(None)
    decoded = np.concatenate([part.to_ndarray()[0] for part in parts]).astype(np.float32)
    out = np.zeros(len(sound), dtype=np.float32)
    out[: min(len(out), len(decoded))] = decoded[: len(out)]
    return out
