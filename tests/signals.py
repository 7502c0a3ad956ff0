"""Generated sound for tests: signals of known character, and their bytes in every format."""

from __future__ import annotations

import io
from collections.abc import Sequence

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

Samples = NDArray[np.float32]

RATE = 44_100
FORMATS = ("wav", "flac", "mp3", "ogg", "opus", "m4a", "alac", "aac", "aiff", "webm")
"""What ``encode`` writes; ``alac`` is M4A with lossless content."""
_CODECS = {
    "m4a": ("ipod", "aac"),
    "alac": ("ipod", "alac"),
    "aac": ("adts", "aac"),
    "webm": ("webm", "libopus"),
}
LOSSLESS = ("wav", "flac", "alac", "aiff")


def sine(frequency: float, seconds: float, rate: int = RATE, level: float = 0.3) -> Samples:
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def glide(start: float, end: float, seconds: float, rate: int = RATE) -> Samples:
    """A sine whose pitch moves evenly from one frequency to another."""
    time = np.arange(round(seconds * rate)) / rate
    frequency = start * (end / start) ** (time / seconds)
    return (0.3 * np.sin(2 * np.pi * np.cumsum(frequency) / rate)).astype(np.float32)


def noise(
    seconds: float,
    rate: int = RATE,
    level: float = 0.1,
    seed: int = 0,
    band: tuple[float, float] | None = None,
) -> Samples:
    """White noise, or the part of it within a band in Hz."""
    samples = np.random.default_rng(seed).normal(0.0, 1.0, round(seconds * rate))
    if band is not None:
        spectrum = np.fft.rfft(samples)
        bins = np.fft.rfftfreq(len(samples), 1.0 / rate)
        spectrum[(bins < band[0]) | (bins > band[1])] = 0.0
        samples = np.fft.irfft(spectrum, len(samples))
    return (level * samples / samples.std()).astype(np.float32)


def clicks(bpm: float, seconds: float, rate: int = RATE) -> Samples:
    """Short decaying noise bursts on every beat."""
    burst = noise(0.03, rate, seed=1) * np.exp(-np.arange(round(0.03 * rate)) / (0.006 * rate))
    samples = np.zeros(round(seconds * rate), dtype=np.float32)
    for start in np.arange(0.0, seconds - 0.05, 60.0 / bpm):
        first = round(start * rate)
        samples[first : first + len(burst)] += 5.0 * burst.astype(np.float32)
    return samples


def tone(midi: float, seconds: float, rate: int = RATE, harmonics: int = 6) -> Samples:
    """A held note with falling harmonics and soft ends."""
    time = np.arange(round(seconds * rate)) / rate
    base = 440.0 * 2.0 ** ((midi - 69.0) / 12.0)
    waves = [np.sin(2 * np.pi * base * h * time) / h**1.5 for h in range(1, harmonics + 1)]
    ends = np.minimum(1.0, np.minimum(time, time[::-1]) / 0.02)
    return (0.15 * ends * np.sum(waves, axis=0)).astype(np.float32)


def chords(
    roots: Sequence[int], *, minor: bool = False, each: float = 1.25, rate: int = RATE
) -> Samples:
    """Held triads over MIDI roots, one after the other."""
    steps = (0, 3, 7) if minor else (0, 4, 7)
    parts = [np.sum([tone(root + s, each, rate) for s in steps], axis=0) / 2.0 for root in roots]
    return np.concatenate(parts).astype(np.float32)


def arpeggio(notes: Sequence[int], *, times: int, each: float = 0.25, rate: int = RATE) -> Samples:
    return np.concatenate([tone(note, each, rate) for note in notes] * times)


def song(seed: int, seconds: float = 8.0, rate: int = RATE) -> Samples:
    """A small random tune with its own tempo, register, scale, timbre and drums; stereo."""
    rng = np.random.default_rng(seed)
    beat = 60.0 / rng.uniform(60.0, 170.0)
    scale = np.array([0, 2, 4, 5, 7, 9, 11] if rng.random() < 0.5 else [0, 2, 3, 5, 7, 8, 10])
    root, harmonics = int(rng.integers(45, 75)), int(rng.integers(1, 12))
    count = int(seconds / beat) + 1
    melody = np.concatenate(
        [tone(root + int(rng.choice(scale)), beat, rate, harmonics) for _ in range(count)]
    )[: round(seconds * rate)]
    drums = clicks(60.0 / beat, seconds, rate) * rng.uniform(0.0, 0.8)
    side = noise(seconds, rate, level=float(rng.uniform(0.001, 0.01)), seed=seed)
    return np.stack([melody + drums + side, melody + drums - side], axis=1).astype(np.float32)


def stereo(samples: Samples) -> Samples:
    """Mono samples on two channels, shape (frames, 2)."""
    return np.repeat(samples[:, None], 2, axis=1)


def to_int16(samples: Samples) -> NDArray[np.int16]:
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


def encode(
    samples: Samples | NDArray[np.int16],
    rate: int = RATE,
    format: str = "wav",
    *,
    subtype: str | None = None,
    bit_rate: int = 128_000,
    variable: bool = False,
) -> bytes:
    """The bytes of a sound file; integers are written exactly by the lossless formats.

    Opus has rates of its own: other sound is brought to 48 kHz.
    """
    if format in {"opus", "webm"} and rate not in {8_000, 12_000, 16_000, 24_000, 48_000}:
        samples, rate = soxr.resample(samples, rate, 48_000), 48_000
    if format in _CODECS:
        return _encode_av(samples, rate, format, bit_rate)
    container = "OGG" if format == "opus" else format.upper()
    options: dict[str, object] = {"subtype": "OPUS" if format == "opus" else subtype}
    if format == "mp3":
        # libsndfile's scale runs from 320 (0) to 32 kbit/s (1).
        options |= {"bitrate_mode": "VARIABLE" if variable else "CONSTANT"}
        options |= {"compression_level": 1 - bit_rate / 320_000}
    buffer = io.BytesIO()
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(buffer, "w", rate, channels, format=container, **options) as file:
        # libsndfile crashes on long Vorbis sound written at once.
        for start in range(0, len(samples), 8_192):
            file.write(samples[start : start + 8_192])
    return buffer.getvalue()


def _encode_av(samples: NDArray[np.generic], rate: int, format: str, bit_rate: int) -> bytes:
    frames = samples if samples.ndim == 2 else samples[:, None]
    if frames.dtype == np.int16 and format != "alac":
        frames = frames.astype(np.float32) / 32768.0
    elif format == "alac":
        frames = frames if frames.dtype == np.int16 else to_int16(frames)
    kind = "s16" if format == "alac" else "flt"
    wide = "7.1(wide)" if format == "alac" else "7.1"
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: wide}[frames.shape[1]]
    buffer = io.BytesIO()
    muxer, codec = _CODECS[format]
    container = av.open(buffer, "w", format=muxer)
    with container:
        stream = container.add_stream(codec, rate=rate)
        stream.codec_context.layout = layout
        stream.bit_rate = bit_rate * max(1, frames.shape[1] // 2)
        for start in range(0, len(frames), 4096):
            # Packed: PyAV cannot handle eight planes.
            piece = np.ascontiguousarray(frames[start : start + 4096]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(piece, format=kind, layout=layout)
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()
