"""From a score to stereo sound: place the notes, pan, add a room, set the level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from indexer.synth.drums import stroke
from indexer.synth.instruments import VOICES, Tone
from indexer.synth.score import Part, Score
from indexer.synth.signals import Sound

RING_SECONDS = 1.0
"""Kept after the last beat, so that the room can fade."""


def render(score: Score, sample_rate: int, seed: int = 0) -> NDArray[np.float32]:
    """The sound of a score.

    Args:
        score: What to play.
        sample_rate: In Hz.
        seed: Of the noise in the instruments and the room.

    Returns:
        float32 of shape (frames, 2), peak 0.9.
    """
    frames = round((score.seconds + RING_SECONDS) * sample_rate)
    mix = np.zeros((frames, 2), dtype=np.float32)
    for part in score.parts:
        # Equal power, so that a part is as loud at the side as in the middle.
        angle = (part.pan + 1) * np.pi / 4
        sides = part.gain * np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)
        mix += _play(part, score.tempo, frames, sample_rate, seed)[:, None] * sides
    mix = _add_room(mix, score, sample_rate, np.random.default_rng(seed))
    fade = np.clip((frames - np.arange(frames)) / (0.5 * sample_rate), 0.0, 1.0)
    mix *= fade.astype(np.float32)[:, None]
    return np.asarray(mix * (0.9 / max(1e-6, float(np.abs(mix).max()))), dtype=np.float32)


def _play(part: Part, tempo: float, frames: int, sample_rate: int, seed: int) -> Sound:
    out = np.zeros(frames, dtype=np.float32)
    beat = 60.0 / tempo
    played: dict[tuple[int, float, float], Sound] = {}
    for note in part.notes:
        start = round(note.start * beat * sample_rate)
        if start >= frames:
            continue
        key = (note.pitch, note.length, note.velocity)
        if key not in played:
            # A note sounds the same each time in a piece, whatever was played before it.
            rng = np.random.default_rng([seed, note.pitch])
            if part.instrument == "drums":
                played[key] = stroke(note.pitch, note.velocity, sample_rate, rng)
            else:
                frequency = 440.0 * 2 ** ((note.pitch - 69) / 12)
                tone = Tone(frequency, note.length * beat, note.velocity, sample_rate, rng)
                played[key] = note.velocity * VOICES[part.instrument](tone)
        sound = played[key][: frames - start]
        out[start : start + len(sound)] += sound
    return out


def _add_room(
    mix: NDArray[np.float32], score: Score, sample_rate: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Convolve with decaying noise, one for each side."""
    length = max(1, round(score.decay * sample_rate))
    t = np.arange(length) / sample_rate
    tail = rng.standard_normal((length, 2)) * np.exp(-6.9 * t / score.decay)[:, None]
    tail /= np.sqrt((tail**2).sum(axis=0))
    size = 1 << (len(mix) + length - 1).bit_length()
    wet = np.fft.irfft(
        np.fft.rfft(mix, size, axis=0) * np.fft.rfft(tail, size, axis=0), size, axis=0
    )
    return np.asarray((1 - score.room) * mix + score.room * wet[: len(mix)], dtype=np.float32)
