"""How much sound is accepted, whatever a file's header promises."""

from __future__ import annotations

from dataclasses import dataclass

SILENCE_PEAK = 1e-4
"""Windows whose samples all stay within this (-80 dBFS, three steps of 16 bits) are silent."""

MAX_SAMPLE = 1e6
"""Largest sample size that is still sound; full scale is 1."""

USABLE_SECONDS = 1.0
"""A damaged or truncated file is usable if at least this much of it decodes."""

BLOCK_SAMPLES = 1 << 17
"""Samples (frames times channels) a reader hands over at once, 512 KiB of float32."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one file or upload, checked on its header and again while decoding.

    Attributes:
        max_duration: Seconds.
        min_duration: Seconds; shorter sound is refused.
        max_channels: Channels.
        max_sample_rate: Hz.
        min_sample_rate: Hz.
        max_bytes: Size of the encoded file.
    """

    max_duration: float = 6 * 3600.0
    min_duration: float = 0.1
    max_channels: int = 32
    max_sample_rate: int = 768_000
    min_sample_rate: int = 2_000
    max_bytes: int = 16 * 1024**3
